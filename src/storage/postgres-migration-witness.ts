/** The tables of a witness, in a schema of its own. */
import type { Migration } from './postgres-schema.ts'

const witnessMigration: Migration = {
  name: 'witness',
  sql: `
    -- Whose memory this is.
    CREATE TABLE owner (
      only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
      vkey text NOT NULL
    );
    CREATE TABLE logs (
      origin text COLLATE "C" PRIMARY KEY,
      -- A line each.
      vkeys text NOT NULL
    );
    CREATE TABLE heads (
      origin text COLLATE "C" PRIMARY KEY,
      size bigint NOT NULL CHECK (size >= 0),
      time bigint NOT NULL CHECK (time >= 0),
      root bytea NOT NULL CHECK (length(root) = 32),
      checkpoint bytea NOT NULL
    );
    -- What was signed over a head, which need not be the newest one.
    CREATE TABLE cosignatures (
      origin text COLLATE "C" PRIMARY KEY,
      size bigint NOT NULL,
      time bigint NOT NULL,
      root bytea NOT NULL,
      lines bytea NOT NULL
    );
    CREATE TABLE conflicts (
      origin text COLLATE "C" NOT NULL,
      id bytea NOT NULL CHECK (length(id) = 16),
      kind text NOT NULL CHECK (kind IN ('split-view', 'unproven')),
      seen_at bigint NOT NULL,
      cosigned bytea NOT NULL,
      refused bytea NOT NULL,
      PRIMARY KEY (origin, id)
    );

    -- Replaces heads, each of which must be the one that is named first; one of size -1 is none.
    CREATE FUNCTION advance_heads(
      origins text[],
      from_sizes bigint[], from_times bigint[], from_roots bytea[],
      sizes bigint[], times bigint[], roots bytea[], checkpoints bytea[]
    ) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    DECLARE
      wrong record;
    BEGIN
      PERFORM 1 FROM heads WHERE origin = ANY (origins) ORDER BY origin FOR UPDATE;
      SELECT c.origin, h.size AS found, c.from_size AS expected INTO wrong
        FROM unnest(origins, from_sizes, from_times, from_roots)
          AS c (origin, from_size, from_time, from_root)
        LEFT JOIN heads AS h ON h.origin = c.origin COLLATE "C"
        WHERE coalesce(h.size, -1) <> c.from_size OR coalesce(h.time, -1) <> c.from_time
          OR coalesce(h.root, '') <> c.from_root
        LIMIT 1;
      IF FOUND THEN
        RAISE EXCEPTION 'the stored head of % is of size %, not %: another process has written it',
          wrong.origin, coalesce(wrong.found::text, 'none'),
          CASE wrong.expected WHEN -1 THEN 'none' ELSE wrong.expected::text END
          USING ERRCODE = 'CA409';
      END IF;
      SELECT c.origin INTO wrong
        FROM unnest(origins, sizes, times) AS c (origin, size, time)
        JOIN heads AS h ON h.origin = c.origin COLLATE "C"
        WHERE c.size < h.size OR c.time < h.time
        LIMIT 1;
      IF FOUND THEN
        RAISE EXCEPTION 'the head of % would go back', wrong.origin USING ERRCODE = 'CA409';
      END IF;
      DELETE FROM cosignatures WHERE origin = ANY (origins);
      UPDATE heads AS h SET size = c.size, time = c.time, root = c.root, checkpoint = c.checkpoint
        FROM unnest(origins, from_sizes, sizes, times, roots, checkpoints)
          AS c (origin, from_size, size, time, root, checkpoint)
        WHERE h.origin = c.origin COLLATE "C" AND c.from_size >= 0;
      INSERT INTO heads
        SELECT c.origin, c.size, c.time, c.root, c.checkpoint
        FROM unnest(origins, from_sizes, sizes, times, roots, checkpoints)
          AS c (origin, from_size, size, time, root, checkpoint)
        WHERE c.from_size < 0;
    EXCEPTION WHEN unique_violation THEN
      RAISE EXCEPTION 'a first head is there already: another process has written it'
        USING ERRCODE = 'CA409';
    END $$;
  `,
  grants: {
    owner: 'SELECT, INSERT',
    logs: 'SELECT, INSERT, UPDATE',
    heads: 'SELECT, INSERT, UPDATE',
    cosignatures: 'SELECT, INSERT, UPDATE, DELETE',
    conflicts: 'SELECT, INSERT, UPDATE, DELETE',
  },
}

export const WITNESS_MIGRATIONS: readonly Migration[] = [witnessMigration]
