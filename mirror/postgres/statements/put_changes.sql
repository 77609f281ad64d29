-- The marker that stands for a trimmed beginning does not replace the change that it stands on.
INSERT INTO review_changes
SELECT fresh.*
FROM unnest(%(rows)s::text[]) AS line, jsonb_populate_record(NULL::review_changes, line::jsonb) AS fresh
ON CONFLICT (review_id, version) DO UPDATE SET valid_to = excluded.valid_to WHERE excluded.kind = 'trimmed'
