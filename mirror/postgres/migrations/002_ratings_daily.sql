-- From when to when a review counts with a rating. `shown`: while it was live. `adjusted`: also while it was missing, if
-- it came back later or its absence is undecided; one that became gone left when it vanished.
CREATE VIEW rating_spans AS
WITH lives AS (
    SELECT
        c.review_id, r.business_id, r.partner, c.rating, c.recommended, c.status, c.valid_from, c.valid_to,
        r.status AS status_now,
        min(c.valid_from) FILTER (WHERE c.status = 'live') OVER (
            PARTITION BY r.business_id, r.partner, c.review_id ORDER BY c.version
            ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS next_live
    FROM review_changes c JOIN reviews r ON r.id = c.review_id
)
SELECT
    review_id, business_id, partner, rating, recommended, valid_from AS counts_from, valid_to AS shown_to,
    coalesce(next_live, CASE WHEN status_now = 'gone' THEN valid_to END) AS adjusted_to
FROM lives
WHERE status = 'live';

-- The ratings of a business at a partner at the beginning of each day (UTC), as GET /ratings gives them.
CREATE VIEW ratings_daily AS
WITH steps AS (
    -- A moment counts from the first beginning of a day that is not before it.
    SELECT business_id, partner, rating, recommended, counts_from AS at, 1 AS shown, 1 AS adjusted FROM rating_spans
    UNION ALL
    SELECT business_id, partner, rating, recommended, shown_to, -1, 0 FROM rating_spans WHERE shown_to IS NOT NULL
    UNION ALL
    SELECT business_id, partner, rating, recommended, adjusted_to, 0, -1 FROM rating_spans
    WHERE adjusted_to IS NOT NULL
),
days AS (
    SELECT
        business_id, partner,
        (at AT TIME ZONE 'UTC' + interval '1 day' - interval '1 microsecond')::date AS day,
        sum(shown) FILTER (WHERE rating IS NOT NULL) AS shown_count,
        sum(shown) FILTER (WHERE rating IS NULL) AS shown_unrated,
        sum(shown * rating) AS shown_total,
        sum(shown) FILTER (WHERE floor(rating + 0.5) = 1) AS shown_1,
        sum(shown) FILTER (WHERE floor(rating + 0.5) = 2) AS shown_2,
        sum(shown) FILTER (WHERE floor(rating + 0.5) = 3) AS shown_3,
        sum(shown) FILTER (WHERE floor(rating + 0.5) = 4) AS shown_4,
        sum(shown) FILTER (WHERE floor(rating + 0.5) = 5) AS shown_5,
        sum(shown) FILTER (WHERE recommended) AS shown_yes,
        sum(shown) FILTER (WHERE NOT recommended) AS shown_no,
        sum(adjusted) FILTER (WHERE rating IS NOT NULL) AS adjusted_count,
        sum(adjusted) FILTER (WHERE rating IS NULL) AS adjusted_unrated,
        sum(adjusted * rating) AS adjusted_total,
        sum(adjusted) FILTER (WHERE floor(rating + 0.5) = 1) AS adjusted_1,
        sum(adjusted) FILTER (WHERE floor(rating + 0.5) = 2) AS adjusted_2,
        sum(adjusted) FILTER (WHERE floor(rating + 0.5) = 3) AS adjusted_3,
        sum(adjusted) FILTER (WHERE floor(rating + 0.5) = 4) AS adjusted_4,
        sum(adjusted) FILTER (WHERE floor(rating + 0.5) = 5) AS adjusted_5,
        sum(adjusted) FILTER (WHERE recommended) AS adjusted_yes,
        sum(adjusted) FILTER (WHERE NOT recommended) AS adjusted_no
    FROM steps
    GROUP BY 1, 2, 3
),
totals AS (
    SELECT
        business_id, partner, day, lead(day) OVER w AS next_day,
        sum(shown_count) OVER w AS shown_count, sum(shown_unrated) OVER w AS shown_unrated,
        sum(shown_total) OVER w AS shown_total,
        sum(shown_1) OVER w AS shown_1, sum(shown_2) OVER w AS shown_2, sum(shown_3) OVER w AS shown_3,
        sum(shown_4) OVER w AS shown_4, sum(shown_5) OVER w AS shown_5,
        sum(shown_yes) OVER w AS shown_yes, sum(shown_no) OVER w AS shown_no,
        sum(adjusted_count) OVER w AS adjusted_count, sum(adjusted_unrated) OVER w AS adjusted_unrated,
        sum(adjusted_total) OVER w AS adjusted_total,
        sum(adjusted_1) OVER w AS adjusted_1, sum(adjusted_2) OVER w AS adjusted_2,
        sum(adjusted_3) OVER w AS adjusted_3, sum(adjusted_4) OVER w AS adjusted_4,
        sum(adjusted_5) OVER w AS adjusted_5,
        sum(adjusted_yes) OVER w AS adjusted_yes, sum(adjusted_no) OVER w AS adjusted_no
    FROM days
    WINDOW w AS (PARTITION BY business_id, partner ORDER BY day)
)
SELECT
    business_id, partner, filled.day::date AS day,
    coalesce(shown_count, 0)::bigint AS shown_count,
    coalesce(shown_unrated, 0)::bigint AS shown_count_unrated,
    round(shown_total / nullif(shown_count, 0), 4) AS shown_average,
    coalesce(shown_1, 0)::bigint AS shown_stars_1,
    coalesce(shown_2, 0)::bigint AS shown_stars_2,
    coalesce(shown_3, 0)::bigint AS shown_stars_3,
    coalesce(shown_4, 0)::bigint AS shown_stars_4,
    coalesce(shown_5, 0)::bigint AS shown_stars_5,
    coalesce(shown_yes, 0)::bigint AS shown_recommended,
    coalesce(shown_no, 0)::bigint AS shown_not_recommended,
    coalesce(adjusted_count, 0)::bigint AS adjusted_count,
    coalesce(adjusted_unrated, 0)::bigint AS adjusted_count_unrated,
    round(adjusted_total / nullif(adjusted_count, 0), 4) AS adjusted_average,
    coalesce(adjusted_1, 0)::bigint AS adjusted_stars_1,
    coalesce(adjusted_2, 0)::bigint AS adjusted_stars_2,
    coalesce(adjusted_3, 0)::bigint AS adjusted_stars_3,
    coalesce(adjusted_4, 0)::bigint AS adjusted_stars_4,
    coalesce(adjusted_5, 0)::bigint AS adjusted_stars_5,
    coalesce(adjusted_yes, 0)::bigint AS adjusted_recommended,
    coalesce(adjusted_no, 0)::bigint AS adjusted_not_recommended
FROM totals, LATERAL generate_series(
    totals.day::timestamp,
    coalesce(totals.next_day - 1, (now() AT TIME ZONE 'UTC')::date)::timestamp,
    interval '1 day'
) AS filled (day);
