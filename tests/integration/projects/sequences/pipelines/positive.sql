/*
model: positive
stream: events
output: {table: marts.positive, columns: {k: string, twice: 'decimal(12,0)', share: double}}
*/
SELECT k, v + v AS twice, d / v AS share
FROM events
WHERE v > 0 OR k IS NULL
