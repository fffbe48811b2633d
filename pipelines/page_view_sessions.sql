/*
model: page_view_sessions
description: How do visits go, and which of them come to a checkout? A visit ends after 30 quiet seconds.
stream: page_views
window: {session: {gap: 30 seconds}}
keys: [session_id]
output:
  table: marts.page_view_sessions
  columns:
    session_id: string
    device: string
    pages: long
    products: long
    checkouts: long
*/
SELECT
  session_id,
  MIN(device) AS device,
  COUNT(*) AS pages,
  COUNT(DISTINCT stock_code) AS products,
  SUM(CASE WHEN page = 'checkout' THEN 1 ELSE 0 END) AS checkouts
FROM page_views
GROUP BY session_id
