-- Where the tables stand: one row, written in the same transaction as what it tells of.
CREATE TABLE mirror_cursor (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    mirror_id text NOT NULL, -- the mirror that these tables follow
    cursor text NOT NULL, -- the place in the feed up to which they hold everything
    filled_to bigint, -- while they are filled: the last review's id; else null
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE reviews (
    id bigint PRIMARY KEY,
    business_id text NOT NULL,
    partner text NOT NULL,
    status text NOT NULL, -- live, missing or gone
    certainty text NOT NULL, -- proven, unproven or ambiguous
    version bigint NOT NULL,
    rating numeric(7, 3),
    recommended boolean,
    author_name text,
    title text,
    content text,
    state text,
    date timestamptz,
    update_date timestamptz,
    delete_date timestamptz,
    replied_at timestamptz,
    tags text[] NOT NULL,
    missing_since timestamptz,
    reappearances bigint NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_changed_at timestamptz NOT NULL,
    payload jsonb NOT NULL -- every field of the review, as Partoo sent it
);
CREATE INDEX reviews_by_business ON reviews (business_id, partner);
CREATE INDEX reviews_missing ON reviews (status, missing_since) WHERE status <> 'live';
CREATE INDEX reviews_uncertain ON reviews (certainty) WHERE certainty <> 'proven';

-- One row a change: the review was so from valid_from until valid_to, which is null for how it is now.
CREATE TABLE review_changes (
    review_id bigint NOT NULL,
    version bigint NOT NULL,
    kind text NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    status text NOT NULL,
    certainty text NOT NULL,
    source text NOT NULL,
    delivery_id text NOT NULL,
    business_id text NOT NULL,
    partner text NOT NULL,
    rating numeric(7, 3),
    recommended boolean,
    state text,
    replied_at timestamptz,
    tags text[] NOT NULL,
    changed text[] NOT NULL, -- the names of the fields that this change touched
    missing_for interval, -- of a reappearance: how long the review was away
    payload jsonb NOT NULL, -- the review at this version
    PRIMARY KEY (review_id, version)
);
CREATE INDEX review_changes_by_time ON review_changes (valid_from);
