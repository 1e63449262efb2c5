<?php
// Grows and drops arrays and strings, and calls extensions that allocate with libc's functions.
$words = [];
for ($i = 0; $i < 200000; ++$i) {
    $words['w' . ($i * 7919 % 100003)][] = str_repeat(chr(97 + $i % 26), $i % 50);
}
ksort($words);
echo count($words), ' ', crc32(json_encode(array_slice($words, 0, 1000))), "\n";
$text = '';
for ($i = 0; $i < 100000; ++$i) $text .= "line $i: " . md5((string)$i) . "\n";
echo strlen($text), ' ', preg_match_all('/[0-9a-f]*dead[0-9a-f]*/', $text), "\n";
echo date('Y-m-d', 86400 * 365), ' ', strlen(serialize($words)), "\n";
foreach (['ctype_alpha', 'iconv', 'hash', 'filter_var', 'token_get_all'] as $f) echo $f, function_exists($f) ? ' yes' : ' no', "\n";
if (function_exists('iconv')) echo bin2hex(iconv('UTF-8', 'ISO-8859-1', "gr\u{fc}n")), "\n";
if (function_exists('token_get_all')) echo count(token_get_all(file_get_contents(__FILE__))), "\n";
$objects = [];
for ($i = 0; $i < 50000; ++$i) {
    $o = new SplObjectStorage();
    $o->attach(new ArrayObject(range(0, $i % 10)));
    $objects[$i % 1000] = $o;
}
echo count($objects), "\n";
