/*
model: sized
kind: enrich
streams: [events, things]
output: {table: marts.sized, columns: {k: string, n: long, size: int}}
*/
SELECT e.k, e.n, t.size
FROM events AS e
LEFT JOIN things FOR SYSTEM_TIME AS OF e.at AS t ON e.k = t.k
