/*
model: of_positive
stream: positive
window: {tumble: 10 seconds}
keys: [k]
output: {table: marts.of_positive, columns: {k: string, total: 'decimal(38,0)'}}
*/
SELECT k, SUM(twice) AS total
FROM positive
GROUP BY k
