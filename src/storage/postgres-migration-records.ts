/**
 * The tables behind a log's records: the vault's two maps, the search index, the map of records, kept heads, tokens.
 *
 * Keys of the vault are spread over partitions, so that destroying some of them rewrites a few small tables. Nothing of
 * the vault's or the index's rows is sampled into the statistics of the planner, where it would outlive them. Values
 * are not compressed: most are ciphertext.
 */
import type { Migration } from './postgres-schema.ts'

/** Whoever waits for a table holds up all who come after, so a backup that is reading it makes an erasure fail. */
const LOCK_TIMEOUT = `'10s'`

/** Tables that vault_keys is spread over. */
export const KEY_PARTITIONS = 32

const ROWS = ['index_rows', 'map_rows', 'vault_payloads', 'vault_keys'] as const

/** Nothing of the values in pg_statistic, and no compression. */
function quiet(table: string): string {
  return `
    ALTER TABLE ${table}
      ALTER COLUMN key SET STATISTICS 0,
      ALTER COLUMN value SET STATISTICS 0,
      ALTER COLUMN value SET STORAGE EXTERNAL;`
}

function plainTable(table: string): string {
  return `
    CREATE TABLE ${table} (key bytea PRIMARY KEY, value bytea NOT NULL);${quiet(table)}`
}

function keyPartition(_: unknown, i: number): string {
  const table = `vault_keys_${i}`
  return `
    CREATE TABLE ${table} PARTITION OF vault_keys
      FOR VALUES WITH (MODULUS ${KEY_PARTITIONS}, REMAINDER ${i});${quiet(table)}`
}

/**
 * Plans are made once a connection, and go by the index: the planner would rather read a small table as a whole, and
 * plans anew for 32 partitions, which takes longer than the write.
 */
const PLANNED_ONCE =
  'SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off'

/** Makes changes of one table in one step; those of `made` must not be there (unique_violation). */
function writer(table: string): string {
  return `
    CREATE FUNCTION write_${table}(
      term bigint, by uuid, number bigint, durable boolean,
      made bytea[], made_values bytea[], put bytea[], put_values bytea[], dropped bytea[]
    ) RETURNS boolean LANGUAGE plpgsql SET search_path FROM CURRENT ${PLANNED_ONCE} AS $$
    BEGIN
      PERFORM check_term(term);
      IF NOT take_turn('${table}', by, number) THEN
        RETURN false;
      END IF;
      IF NOT durable THEN
        PERFORM set_config('synchronous_commit', 'off', true);
      END IF;
      IF cardinality(dropped) > 0 THEN
        DELETE FROM ${table} AS rows USING unnest(dropped) AS gone (key) WHERE rows.key = gone.key;
      END IF;
      IF cardinality(made) > 0 THEN
        INSERT INTO ${table} SELECT * FROM unnest(made, made_values);
      END IF;
      IF cardinality(put) > 0 THEN
        INSERT INTO ${table} SELECT * FROM unnest(put, put_values)
          ON CONFLICT (key) DO UPDATE SET value = excluded.value;
      END IF;
      RETURN true;
    END $$;`
}

/** What has no WHERE: everything of a table, and its files with it. */
function clearing(table: string): string {
  return `
    CREATE FUNCTION clear_${table}(term bigint, by uuid, number bigint) RETURNS boolean
      LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = ${LOCK_TIMEOUT} AS $$
    BEGIN
      PERFORM check_term(term);
      IF NOT take_turn('${table}', by, number) THEN
        RETURN false;
      END IF;
      TRUNCATE ${table};
      RETURN true;
    END $$;

    -- A change of type that changes nothing: the table is written anew, of its living rows only, and its indexes too.
    CREATE FUNCTION rewrite_${table}(term bigint) RETURNS void
      LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = ${LOCK_TIMEOUT} AS $$
    BEGIN
      PERFORM check_term(term);
      ALTER TABLE ${table}
        ALTER COLUMN value TYPE bytea USING value || ''::bytea,
        ALTER COLUMN value SET STORAGE EXTERNAL;
    END $$;`
}

export const recordsMigration: Migration = {
  name: 'records',
  sql: `
    -- Who writes a table, and its newest write, so that one that is sent again is not made again, and one that arrives
    -- late is refused.
    CREATE TABLE writers (
      target text PRIMARY KEY,
      writer uuid NOT NULL,
      number bigint NOT NULL
    );
    INSERT INTO writers SELECT t, gen_random_uuid(), 0
      FROM unnest('{${ROWS.join(',')}}'::text[]) AS t;
    -- With it, an epoch that is held FOR KEY SHARE cannot change, while the lease of it can be renewed.
    CREATE UNIQUE INDEX leadership_epoch ON leadership (epoch);

    CREATE FUNCTION check_term(term bigint) RETURNS void
      LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    BEGIN
      IF term IS NULL THEN
        RETURN;
      END IF;
      PERFORM 1 FROM leadership WHERE epoch = term FOR KEY SHARE;
      IF NOT FOUND THEN
        RAISE EXCEPTION 'another server leads by now: the term % is over', term USING ERRCODE = 'CA409';
      END IF;
    END $$;

    -- Whether this write is to be made; false when it was made before.
    CREATE FUNCTION take_turn(into_table text, by uuid, this bigint) RETURNS boolean
      LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    DECLARE
      found_writer uuid;
      newest bigint;
    BEGIN
      SELECT writer, number INTO STRICT found_writer, newest
        FROM writers WHERE target = into_table FOR NO KEY UPDATE;
      IF found_writer = by AND newest = this THEN
        RETURN false;
      END IF;
      IF this <> 1 AND (found_writer <> by OR newest <> this - 1) THEN
        RAISE EXCEPTION 'another server has written % since', into_table USING ERRCODE = 'CA409';
      END IF;
      UPDATE writers SET writer = by, number = this WHERE target = into_table;
      RETURN true;
    END $$;
    ${['index_rows', 'map_rows', 'vault_payloads'].map(plainTable).join('')}
    CREATE TABLE vault_keys (key bytea PRIMARY KEY, value bytea NOT NULL) PARTITION BY HASH (key);
    ${quiet('vault_keys')}
    ${Array.from({ length: KEY_PARTITIONS }, keyPartition).join('')}
    ${ROWS.map(writer).join('')}
    ${['index_rows', 'map_rows'].map(clearing).join('')}

    -- Writes the partitions that these keys are in anew, of their living rows only; all of them without keys. What was
    -- deleted or replaced in them stays behind in files that are gone when this commits.
    CREATE FUNCTION rewrite_vault_keys(term bigint, first integer, beyond integer, keys bytea[])
      RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = ${LOCK_TIMEOUT} AS $$
    DECLARE
      part integer;
      parts integer := 0;
    BEGIN
      PERFORM check_term(term);
      -- Writers wait here, and not for one partition while they hold another.
      LOCK TABLE ONLY vault_keys IN SHARE ROW EXCLUSIVE MODE;
      FOR part IN first .. beyond - 1 LOOP
        CONTINUE WHEN keys IS NOT NULL AND NOT EXISTS (
          SELECT FROM unnest(keys) AS k
            WHERE satisfies_hash_partition('vault_keys'::regclass, ${KEY_PARTITIONS}, part, k));
        EXECUTE format('LOCK TABLE vault_keys_%s IN ACCESS EXCLUSIVE MODE', part);
        EXECUTE format('CREATE TEMPORARY TABLE living ON COMMIT DROP AS SELECT * FROM vault_keys_%s', part);
        EXECUTE format('TRUNCATE vault_keys_%s', part);
        EXECUTE format('INSERT INTO vault_keys_%s SELECT * FROM pg_temp.living ORDER BY key', part);
        DROP TABLE pg_temp.living;
        parts := parts + 1;
      END LOOP;
      RETURN parts;
    END $$;
    REVOKE ALL ON FUNCTION check_term, rewrite_vault_keys, clear_index_rows, clear_map_rows,
      rewrite_index_rows, rewrite_map_rows FROM PUBLIC;

    CREATE TABLE kept_heads (
      time bigint PRIMARY KEY,
      checkpoint bytea NOT NULL
    );
    -- Keeps a head, or no longer the one of this time.
    CREATE FUNCTION keep_head(term bigint, at bigint, note bytea) RETURNS void
      LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
    BEGIN
      PERFORM check_term(term);
      IF note IS NULL THEN
        DELETE FROM kept_heads WHERE time = at;
      ELSE
        INSERT INTO kept_heads VALUES (at, note)
          ON CONFLICT (time) DO UPDATE SET checkpoint = excluded.checkpoint;
      END IF;
    END $$;

    -- One row: the text of a file of tokens, as servers that keep one have it.
    CREATE TABLE tokens (
      only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
      version bigint NOT NULL,
      lines text NOT NULL,
      made_at text NOT NULL
    );
  `,
  grants: {
    writers: 'SELECT, UPDATE',
    ...Object.fromEntries(ROWS.map((table) => [table, 'SELECT, INSERT, UPDATE, DELETE'])),
    kept_heads: 'SELECT, INSERT, UPDATE, DELETE',
    tokens: 'SELECT, INSERT, UPDATE',
    'FUNCTION check_term': 'EXECUTE',
    'FUNCTION rewrite_vault_keys': 'EXECUTE',
    'FUNCTION clear_index_rows': 'EXECUTE',
    'FUNCTION clear_map_rows': 'EXECUTE',
    'FUNCTION rewrite_index_rows': 'EXECUTE',
    'FUNCTION rewrite_map_rows': 'EXECUTE',
  },
}
