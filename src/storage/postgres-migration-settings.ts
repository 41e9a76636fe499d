/** What every log in a database has: its settings, and who leads. */
import type { Migration } from './postgres-schema.ts'

export const settingsMigration: Migration = {
  name: 'settings and leadership',
  sql: `
    CREATE TABLE settings (
      name text PRIMARY KEY,
      value text NOT NULL
    );

    -- One row, from the first leader on. Whoever writes as the leader holds this row's lock while it does, and has
    -- found its epoch there.
    CREATE TABLE leadership (
      only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
      epoch bigint NOT NULL CHECK (epoch > 0),
      holder text NOT NULL,
      url text NOT NULL,
      expires timestamptz NOT NULL
    );
  `,
  grants: { settings: 'SELECT, INSERT', leadership: 'SELECT, INSERT, UPDATE' },
}
