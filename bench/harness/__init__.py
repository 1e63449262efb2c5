"""The benchmark runner behind `./hakmem bench`; see bench/README.md."""
