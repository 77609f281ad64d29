-- What was valid before the first of the new changes of a review ends with it.
UPDATE review_changes AS before SET valid_to = fresh.valid_from
FROM (SELECT * FROM unnest(%(ids)s::bigint[], %(versions)s::bigint[])) AS first (review_id, version)
JOIN review_changes AS fresh ON fresh.review_id = first.review_id AND fresh.version = first.version
WHERE before.review_id = first.review_id AND before.version = first.version - 1
    AND before.valid_to IS DISTINCT FROM fresh.valid_from
