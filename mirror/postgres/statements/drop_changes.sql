-- Makes room for histories that are written anew, each from the version `first` on.
DELETE FROM review_changes AS old
USING (SELECT * FROM unnest(%(ids)s::bigint[], %(firsts)s::bigint[])) AS anew (review_id, first)
WHERE old.review_id = anew.review_id AND old.version >= anew.first
