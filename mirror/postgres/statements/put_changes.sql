-- The marker that stands for a trimmed beginning does not replace the change that it stands on.
INSERT INTO review_changes
SELECT *
FROM jsonb_populate_recordset(NULL::review_changes, %(rows)s::jsonb)
ON CONFLICT (review_id, version) DO UPDATE SET valid_to = excluded.valid_to WHERE excluded.kind = 'trimmed'
