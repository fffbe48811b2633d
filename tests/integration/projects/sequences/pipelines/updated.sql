/*
model: updated
late: update
stream: events
window: {tumble: 10 seconds}
keys: [k]
output: {table: marts.updated, columns: {k: string, rows_: long, known: long, values_: long, total: long, exact: 'decimal(38,4)', mean: double, ratio: double, least: long, most: long}}
*/
SELECT k, COUNT(*) AS rows_, COUNT(v) AS known, COUNT(DISTINCT v) AS values_, SUM(v) AS total, SUM(d) AS exact, AVG(d) AS mean, SUM(v) / COUNT(v) AS ratio, MIN(n) AS least, MAX(n) AS most
FROM events
GROUP BY k
