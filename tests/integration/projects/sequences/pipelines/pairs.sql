/*
model: pairs
kind: join
streams: [events, others]
output: {table: marts.pairs, columns: {k: string, n: long, v: int, sum_: long}}
*/
SELECT e.k, e.n, o.v, e.v + o.v AS sum_
FROM events AS e
JOIN others AS o ON e.k = o.k AND o.at BETWEEN e.at - INTERVAL '5' SECOND AND e.at + INTERVAL '10' SECOND
