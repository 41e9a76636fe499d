/**
 * The tables of the log itself, and the functions that write them.
 *
 * `sequence` has one row, whose lock puts all batches in one order; sequence_leaves() is the whole hot path, in one
 * round trip. What is append-only refuses UPDATE, DELETE and TRUNCATE, whoever asks; rows that an archive has may go,
 * once `archive.released` says so, which only release_archived() changes.
 */
import type { Migration } from './postgres-schema.ts'

const TABLES = `
  CREATE TABLE sequence (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    next bigint NOT NULL CHECK (next BETWEEN 0 AND 9007199254740991)
  ) WITH (fillfactor = 10);
  INSERT INTO sequence (next) VALUES (0);

  -- Sequenced leaves in order. A run never crosses the end of an entry bundle.
  CREATE TABLE entry_runs (
    first bigint PRIMARY KEY,
    count integer NOT NULL CHECK (count BETWEEN 1 AND 256 AND first % 256 + count <= 256),
    framed bytea NOT NULL,
    hashes bytea NOT NULL CHECK (octet_length(hashes) = count * 32)
  );
  -- Hashes and most leaves do not shrink, and what is not compressed can be read in part.
  ALTER TABLE entry_runs ALTER framed SET STORAGE EXTERNAL, ALTER hashes SET STORAGE EXTERNAL,
    ALTER framed SET STATISTICS 0, ALTER hashes SET STATISTICS 0;

  CREATE TABLE leaf_index (
    hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    index bigint NOT NULL
  );
  ALTER TABLE leaf_index ALTER hash SET STORAGE PLAIN, ALTER hash SET STATISTICS 0;

  CREATE TABLE idempotency (
    key bytea PRIMARY KEY CHECK (octet_length(key) = 16),
    request bytea NOT NULL CHECK (octet_length(request) = 32),
    indices bigint[] NOT NULL
  );
  ALTER TABLE idempotency ALTER key SET STATISTICS 0, ALTER request SET STATISTICS 0;

  -- Runs of hashes of level 1 and above; those of level 0 are in entry_runs.
  CREATE TABLE tiles (
    level smallint NOT NULL CHECK (level BETWEEN 1 AND 6),
    tile bigint NOT NULL,
    first smallint NOT NULL CHECK (first BETWEEN 0 AND 255),
    hashes bytea NOT NULL CHECK (octet_length(hashes) > 0 AND octet_length(hashes) % 32 = 0
      AND octet_length(hashes) / 32 + first <= 256),
    PRIMARY KEY (level, tile, first)
  );
  ALTER TABLE tiles ALTER hashes SET STORAGE EXTERNAL, ALTER hashes SET STATISTICS 0;

  CREATE TABLE head (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    size bigint NOT NULL,
    root bytea NOT NULL CHECK (octet_length(root) = 32),
    checkpoint bytea NOT NULL
  ) WITH (fillfactor = 10);

  CREATE TABLE publication (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    size bigint NOT NULL,
    root bytea NOT NULL CHECK (octet_length(root) = 32),
    checkpoint bytea NOT NULL,
    timestamp bigint NOT NULL,
    signature bytea NOT NULL
  ) WITH (fillfactor = 10);

  -- Whether the log has an archive, what that has, and below which size full bundles and tiles are nowhere else.
  CREATE TABLE archive (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    wanted boolean NOT NULL DEFAULT false,
    size bigint NOT NULL CHECK (size >= released),
    released bigint NOT NULL
  );
  INSERT INTO archive (size, released) VALUES (0, 0);
`

const GUARDS = `
  CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION 'table % only grows: this % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'CA403';
  END $$;

  CREATE FUNCTION refuse_unreleased_runs() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
  BEGIN
    IF EXISTS (SELECT FROM gone, archive WHERE gone.first >= archive.released / 256 * 256) THEN
      RAISE EXCEPTION 'table % only grows: DELETE is refused of what no archive has', TG_TABLE_NAME
        USING ERRCODE = 'CA403';
    END IF;
    RETURN NULL;
  END $$;

  CREATE FUNCTION refuse_unreleased_tiles() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
  BEGIN
    IF EXISTS (SELECT FROM gone, archive
        WHERE gone.tile >= div(archive.released, 256::numeric ^ (gone.level + 1))) THEN
      RAISE EXCEPTION 'table % only grows: DELETE is refused of what no archive has', TG_TABLE_NAME
        USING ERRCODE = 'CA403';
    END IF;
    RETURN NULL;
  END $$;

  CREATE TRIGGER only_grows BEFORE UPDATE OR TRUNCATE ON entry_runs EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER only_grows BEFORE UPDATE OR TRUNCATE ON tiles EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER only_released AFTER DELETE ON entry_runs REFERENCING OLD TABLE AS gone
    EXECUTE FUNCTION refuse_unreleased_runs();
  CREATE TRIGGER only_released AFTER DELETE ON tiles REFERENCING OLD TABLE AS gone
    EXECUTE FUNCTION refuse_unreleased_tiles();
  CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON leaf_index EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON idempotency EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON sequence EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON head EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON publication EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON archive EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER stays BEFORE DELETE OR TRUNCATE ON leadership EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER only_forward BEFORE UPDATE ON sequence FOR EACH ROW
    WHEN (NEW.next < OLD.next) EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER only_forward BEFORE UPDATE ON head FOR EACH ROW
    WHEN (NEW.size < OLD.size) EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER only_forward BEFORE UPDATE ON publication FOR EACH ROW
    WHEN (NEW.size < OLD.size OR NEW.timestamp < OLD.timestamp) EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER only_forward BEFORE UPDATE ON archive FOR EACH ROW
    WHEN (NEW.released < OLD.released) EXECUTE FUNCTION refuse_change();
  CREATE TRIGGER only_forward BEFORE UPDATE ON leadership FOR EACH ROW
    WHEN (NEW.epoch < OLD.epoch) EXECUTE FUNCTION refuse_change();
`

/**
 * Plans are kept for the life of a connection, and one made while a table was small would read all of it later: every
 * function that looks leaves up is told to use the index.
 */
const BY_INDEX = 'SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off'

const SEQUENCING = `
  -- Leaf i is framed[starts[i], starts[i+1]), with the hash at 32·i. Request j is key j of 16 bytes and digest j of 32,
  -- for the leaves places[ends[j], ends[j+1]). All of these count from 0. Gives NULLs when a key was used before, and
  -- no list of indices when all leaves are new: they are then those from previous on.
  CREATE FUNCTION sequence_leaves(
    framed bytea, hashes bytea, starts integer[], dedup boolean,
    keys bytea, requests bytea, ends integer[], places integer[], term bigint,
    OUT previous bigint, OUT size bigint, OUT given bigint[]
  ) LANGUAGE plpgsql ${BY_INDEX} AS $$
  #variable_conflict use_variable
  DECLARE
    leaves integer := octet_length(hashes) / 32;
    asked integer := octet_length(keys) / 16;
    base bigint;
    added integer := leaves;
    known bigint[];
  BEGIN
    SELECT s.next INTO STRICT base FROM sequence AS s FOR NO KEY UPDATE;
    IF term IS NOT NULL THEN
      PERFORM hold_term(term);
    END IF;
    IF asked > 0 AND EXISTS (
        SELECT FROM generate_series(0, asked - 1) AS j
        WHERE EXISTS (SELECT FROM idempotency AS r WHERE r.key = substr(keys, j * 16 + 1, 16))) THEN
      RETURN;
    END IF;
    IF dedup THEN
      known := ARRAY(
        SELECT (SELECT x.index FROM leaf_index AS x WHERE x.hash = substr(hashes, i * 32 + 1, 32))
        FROM generate_series(0, leaves - 1) AS i ORDER BY i);
      added := leaves - cardinality(array_remove(known, NULL));
    END IF;

    IF added = leaves THEN
      INSERT INTO entry_runs
        SELECT base + a, z - a, substr(framed, starts[a + 1] + 1, starts[z + 1] - starts[a + 1]),
          substr(hashes, a * 32 + 1, (z - a) * 32)
        FROM (
          SELECT (greatest(b * 256, base) - base)::integer AS a,
            (least(b * 256 + 256, base + leaves) - base)::integer AS z
          FROM generate_series(base / 256, (base + leaves - 1) / 256) AS b
        ) AS piece WHERE leaves > 0;
      IF dedup THEN
        INSERT INTO leaf_index
          SELECT substr(hashes, i * 32 + 1, 32), base + i FROM generate_series(0, leaves - 1) AS i;
      ELSE
        INSERT INTO leaf_index
          SELECT substr(hashes, i * 32 + 1, 32), base + i FROM generate_series(0, leaves - 1) AS i ORDER BY i
          ON CONFLICT DO NOTHING;
      END IF;
    ELSE
      given := ARRAY(
        SELECT coalesce(k.index, base - 1 + count(*) FILTER (WHERE k.index IS NULL) OVER (ORDER BY k.n))
        FROM unnest(known) WITH ORDINALITY AS k (index, n) ORDER BY k.n);
      INSERT INTO entry_runs
        SELECT min(g.index), count(*),
          string_agg(substr(framed, starts[g.n] + 1, starts[g.n + 1] - starts[g.n]), '' ORDER BY g.n),
          string_agg(substr(hashes, (g.n::integer - 1) * 32 + 1, 32), '' ORDER BY g.n)
        FROM unnest(given) WITH ORDINALITY AS g (index, n) WHERE g.index >= base GROUP BY g.index / 256;
      INSERT INTO leaf_index
        SELECT substr(hashes, (g.n::integer - 1) * 32 + 1, 32), g.index
        FROM unnest(given) WITH ORDINALITY AS g (index, n) WHERE g.index >= base;
    END IF;

    IF asked > 0 THEN
      INSERT INTO idempotency
        SELECT substr(keys, j * 16 + 1, 16), substr(requests, j * 32 + 1, 32), ARRAY(
          SELECT coalesce(given[places[p] + 1], base + places[p])
          FROM generate_series(ends[j + 1] + 1, ends[j + 2]) AS p ORDER BY p)
        FROM generate_series(0, asked - 1) AS j;
    END IF;
    previous := base;
    size := base + added;
    IF added > 0 THEN
      UPDATE sequence AS s SET next = size;
      PERFORM tell_change('sequenced');
    END IF;
  END $$;

  CREATE FUNCTION find_leaves(hashes bytea) RETURNS bigint[] LANGUAGE plpgsql STABLE ${BY_INDEX} AS $$
  BEGIN
    RETURN ARRAY(
      SELECT (SELECT x.index FROM leaf_index AS x WHERE x.hash = substr(hashes, i * 32 + 1, 32))
      FROM generate_series(0, octet_length(hashes) / 32 - 1) AS i ORDER BY i);
  END $$;
`

const LEADING = `
  -- Servers that listen also look by themselves now and then. One that is stopped and still connected keeps the queue
  -- from being emptied, and a full queue would refuse commits.
  CREATE FUNCTION tell_change(change text) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    IF pg_notification_queue_usage() < 0.5 THEN
      PERFORM pg_notify(current_schema(), change);
    END IF;
  END $$;

  -- The term's number, or NULL while another server's lasts.
  CREATE FUNCTION begin_term(candidate text, address text, lease_ms bigint) RETURNS bigint
    LANGUAGE plpgsql AS $$
  DECLARE
    present leadership;
    begun bigint;
  BEGIN
    INSERT INTO leadership (epoch, holder, url, expires)
      VALUES (1, candidate, address, clock_timestamp() + lease_ms * interval '1 ms')
      ON CONFLICT DO NOTHING RETURNING epoch INTO begun;
    IF begun IS NULL THEN
      -- A look without a lock, for those that only ask again and again.
      PERFORM FROM leadership WHERE expires <= clock_timestamp() OR holder = candidate;
      IF NOT FOUND THEN
        RETURN NULL;
      END IF;
      -- Whoever writes as the leader has the row FOR KEY SHARE, and ends before another can lead.
      SELECT * INTO STRICT present FROM leadership FOR UPDATE;
      IF present.expires > clock_timestamp() AND present.holder <> candidate THEN
        RETURN NULL;
      END IF;
      begun := present.epoch + 1;
      UPDATE leadership SET epoch = begun, holder = candidate, url = address,
        expires = clock_timestamp() + lease_ms * interval '1 ms';
    END IF;
    PERFORM tell_change('leadership');
    RETURN begun;
  END $$;

  -- A term is over when there is a later one, or when its leader resigned; not by the clock alone.
  CREATE FUNCTION hold_term(term bigint) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
  BEGIN
    IF term IS NULL THEN
      RETURN;
    END IF;
    PERFORM FROM leadership WHERE epoch = term AND expires > '-infinity' FOR KEY SHARE;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'another server leads by now: term % is over', term USING ERRCODE = 'CA409';
    END IF;
  END $$;

  -- Run i of the tiles begins at hash firsts[i] of its tile.
  CREATE FUNCTION integrate(
    term bigint, previous bigint, new_size bigint, new_root bytea, new_checkpoint bytea,
    levels integer[], numbers bigint[], firsts integer[], runs bytea[]
  ) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE
    stored bigint;
    sequenced bigint;
  BEGIN
    PERFORM hold_term(term);
    INSERT INTO head (size, root, checkpoint)
      SELECT new_size, new_root, new_checkpoint WHERE previous = 0 ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
      UPDATE head SET size = new_size, root = new_root, checkpoint = new_checkpoint WHERE size = previous;
      IF NOT FOUND THEN
        SELECT size INTO stored FROM head;
        RAISE EXCEPTION 'the store holds % entries, but the commit extends %', coalesce(stored, 0), previous
          USING ERRCODE = 'CA409';
      END IF;
    END IF;
    SELECT next INTO STRICT sequenced FROM sequence;
    IF new_size > sequenced THEN
      RAISE EXCEPTION 'a head of % entries, of which % are sequenced', new_size, sequenced USING ERRCODE = 'CA409';
    END IF;
    INSERT INTO tiles SELECT * FROM unnest(levels, numbers, firsts, runs);
    PERFORM tell_change('head');
  END $$;

  -- False for a publication beyond the head, which nobody may ask for.
  CREATE FUNCTION publish(
    term bigint, new_size bigint, new_root bytea, new_checkpoint bytea, new_timestamp bigint, new_signature bytea
  ) RETURNS boolean LANGUAGE plpgsql AS $$
  DECLARE
    stored publication;
  BEGIN
    PERFORM hold_term(term);
    IF new_size > coalesce((SELECT size FROM head), 0) THEN
      RETURN false;
    END IF;
    SELECT * INTO stored FROM publication FOR NO KEY UPDATE;
    IF stored.timestamp > new_timestamp OR stored.size > new_size THEN
      RAISE EXCEPTION 'a publication of % entries at the time % is stored; one of % at % would go back',
        stored.size, stored.timestamp, new_size, new_timestamp USING ERRCODE = 'CA409';
    END IF;
    INSERT INTO publication (size, root, checkpoint, timestamp, signature)
      VALUES (new_size, new_root, new_checkpoint, new_timestamp, new_signature)
      ON CONFLICT (only_row) DO UPDATE SET size = excluded.size, root = excluded.root,
        checkpoint = excluded.checkpoint, timestamp = excluded.timestamp, signature = excluded.signature;
    PERFORM tell_change('publication');
    RETURN true;
  END $$;
`

const WHOLE_COMMITS = `
  -- Leaves with their place in the tree given by the caller, who knows of no other writer. Bundle run i has counts[i]
  -- leaves from first[i] on; the hashes are of all leaves.
  CREATE FUNCTION commit_leaves(
    previous bigint, new_size bigint, first_leaves bigint[], counts integer[], framed_runs bytea[], hashes bytea,
    keys bytea[], requests bytea[], indices text[]
  ) RETURNS void LANGUAGE plpgsql ${BY_INDEX} AS $$
  DECLARE
    base bigint;
  BEGIN
    SELECT next INTO STRICT base FROM sequence FOR NO KEY UPDATE;
    IF base <> previous THEN
      RAISE EXCEPTION 'the store holds % entries, but the commit extends %', base, previous USING ERRCODE = 'CA409';
    END IF;
    INSERT INTO entry_runs
      SELECT r.first, r.count, r.framed, substr(hashes, (r.first - base)::integer * 32 + 1, r.count * 32)
      FROM unnest(first_leaves, counts, framed_runs) AS r (first, count, framed);
    INSERT INTO leaf_index
      SELECT substr(hashes, i * 32 + 1, 32), base + i
      FROM generate_series(0, octet_length(hashes) / 32 - 1) AS i ORDER BY i
      ON CONFLICT DO NOTHING;
    INSERT INTO idempotency SELECT r.key, r.request, r.indices::bigint[]
      FROM unnest(keys, requests, indices) AS r (key, request, indices);
    IF new_size > base THEN
      UPDATE sequence SET next = new_size;
      PERFORM tell_change('sequenced');
    END IF;
  END $$;
`

const ARCHIVING = `
  -- Whether the log has an archive, for the owner to say: without one nothing is let go of. One that has released rows
  -- cannot do without.
  CREATE FUNCTION set_archive(wish boolean) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
  BEGIN
    UPDATE archive SET wanted = wish WHERE wish OR released = 0;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'entries and tiles of this log are in its archive alone' USING ERRCODE = 'CA400';
    END IF;
  END $$;

  -- Lets go of full bundles and tiles of the tree of new_released, which the archive has.
  CREATE FUNCTION release_archived(term bigint, new_size bigint, new_released bigint) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  DECLARE
    stored archive;
  BEGIN
    IF term IS NULL THEN
      RAISE EXCEPTION 'nobody lets go of anything but a leader' USING ERRCODE = 'CA403';
    END IF;
    PERFORM hold_term(term);
    SELECT * INTO STRICT stored FROM archive FOR UPDATE;
    new_released := greatest(new_released, stored.released);
    IF new_size < new_released THEN
      RAISE EXCEPTION 'the archive has % entries, fewer than the % that are released', new_size, new_released
        USING ERRCODE = 'CA409';
    END IF;
    IF new_size > coalesce((SELECT size FROM head), 0) THEN
      RAISE EXCEPTION 'the archive cannot have % entries, more than the log', new_size USING ERRCODE = 'CA409';
    END IF;
    UPDATE archive SET size = new_size;
    IF new_released = stored.released THEN
      RETURN;
    END IF;
    IF NOT stored.wanted THEN
      RAISE EXCEPTION 'this log has no archive: nothing can be let go of' USING ERRCODE = 'CA403';
    END IF;
    UPDATE archive SET released = new_released;
    -- From where the last ended: rows that were deleted may still be in the way.
    DELETE FROM entry_runs
      WHERE first >= stored.released / 256 * 256 AND first < new_released / 256 * 256;
    FOR l IN 1 .. 6 LOOP
      DELETE FROM tiles WHERE level = l
        AND tile >= div(stored.released, 256::numeric ^ (l + 1))::bigint
        AND tile < div(new_released, 256::numeric ^ (l + 1))::bigint;
    END LOOP;
  END $$;

  REVOKE ALL ON FUNCTION set_archive(boolean), release_archived(bigint, bigint, bigint) FROM PUBLIC;
`

export const logMigration: Migration = {
  name: 'the log',
  sql: TABLES + GUARDS + LEADING + SEQUENCING + WHOLE_COMMITS + ARCHIVING,
  grants: {
    sequence: 'SELECT, UPDATE',
    entry_runs: 'SELECT, INSERT',
    leaf_index: 'SELECT, INSERT',
    idempotency: 'SELECT, INSERT',
    tiles: 'SELECT, INSERT',
    head: 'SELECT, INSERT, UPDATE',
    publication: 'SELECT, INSERT, UPDATE',
    archive: 'SELECT',
    'FUNCTION release_archived(bigint, bigint, bigint)': 'EXECUTE',
  },
}
