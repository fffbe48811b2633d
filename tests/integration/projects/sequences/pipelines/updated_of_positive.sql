/*
model: updated_of_positive
late: update
stream: positive
window: {tumble: 10 seconds}
keys: [k]
output: {table: marts.updated_of_positive, columns: {k: string, total: 'decimal(38,0)'}}
*/
SELECT k, SUM(twice) AS total
FROM positive
GROUP BY k
