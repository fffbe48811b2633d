/*
model: whole
stream: events
window: {tumble: 15 seconds}
keys: []
output: {table: marts.whole, columns: {rows_: long, total: long}}
*/
SELECT COUNT(*) AS rows_, SUM(CASE WHEN v > 0 THEN v ELSE 0 END) AS total
FROM events
WHERE v IS NULL OR v <> 7
