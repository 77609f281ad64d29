SELECT reviews.id, reviews.version, last.delivery_id, reviews.certainty
FROM reviews LEFT JOIN review_changes AS last ON last.review_id = reviews.id AND last.version = reviews.version
WHERE reviews.id = ANY(%(ids)s::bigint[])
