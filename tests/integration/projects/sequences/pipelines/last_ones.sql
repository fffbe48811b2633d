/*
model: last_ones
stream: events
window: {tumble: 20 seconds}
dedup: {keys: [k], keep: last}
output: {table: marts.last_ones, columns: {k: string, n: long, v: int}}
*/
SELECT k, n, v
FROM events
