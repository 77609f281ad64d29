INSERT INTO reviews
SELECT *
FROM jsonb_populate_recordset(NULL::reviews, %(rows)s::jsonb)
ON CONFLICT (id) DO UPDATE SET
    business_id = excluded.business_id, partner = excluded.partner, status = excluded.status,
    certainty = excluded.certainty, version = excluded.version, rating = excluded.rating,
    recommended = excluded.recommended, author_name = excluded.author_name, title = excluded.title,
    content = excluded.content, state = excluded.state, date = excluded.date, update_date = excluded.update_date,
    delete_date = excluded.delete_date, replied_at = excluded.replied_at, tags = excluded.tags,
    missing_since = excluded.missing_since, reappearances = excluded.reappearances,
    first_seen_at = excluded.first_seen_at, last_changed_at = excluded.last_changed_at, payload = excluded.payload
