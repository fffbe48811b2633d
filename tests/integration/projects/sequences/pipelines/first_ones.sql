/*
model: first_ones
stream: events
window: {tumble: 20 seconds}
dedup: {keys: [k], keep: first}
output: {table: marts.first_ones, columns: {k: string, n: long, v: int}}
*/
SELECT k, n, v
FROM events
