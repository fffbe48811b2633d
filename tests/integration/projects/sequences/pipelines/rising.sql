/*
model: rising
stream: events
sequence:
  by: [k]
  steps: [{name: low, where: v < 0, times: 2}, {name: high, where: v > 0}]
  within: 20 seconds
output: {table: marts.rising, columns: {k: string, n: long, v: int}}
*/
SELECT k, n, v
FROM events
WHERE k IS NOT NULL
