-- The work of 50_sqlite.sh.
PRAGMA journal_mode = MEMORY;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -64000;
CREATE TABLE item(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, name TEXT NOT NULL, weight REAL);
CREATE TABLE kind(id INTEGER PRIMARY KEY, label TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)
INSERT INTO item SELECT i, i * 7919 % 1009, 'name-' || (i * 104729 % 1000003), i * 0.5 FROM n;
INSERT INTO kind SELECT DISTINCT kind, 'kind ' || kind FROM item;
CREATE INDEX item_by_kind ON item(kind, name);
SELECT count(*), sum(weight), min(name), max(name) FROM item;
SELECT kind.label, count(*), group_concat(substr(item.name, 6, 2), '')
  FROM item JOIN kind ON kind.id = item.kind WHERE item.kind < 3 AND item.id % 50 = 0 GROUP BY kind.id;
SELECT sum(r) FROM (SELECT rank() OVER (PARTITION BY kind ORDER BY name) AS r FROM item WHERE id <= 50000);
SELECT name FROM item WHERE name LIKE '%9999%' ORDER BY name DESC LIMIT 5;
SELECT count(DISTINCT substr(name, -3)) FROM item;
UPDATE item SET name = name || '-' || kind WHERE id % 10 = 0;
DELETE FROM item WHERE kind % 4 = 1;
SELECT json_group_array(name) FROM (SELECT name FROM item WHERE id < 300 ORDER BY id);
VACUUM;
PRAGMA integrity_check;
SELECT count(*), total(length(name)) FROM item;
