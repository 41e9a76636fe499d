/** What each check is about, for readers who do not know the formats; the finding beside it says what came of it. */
const MEANINGS: Readonly<Record<string, string>> = {
  format: 'The file is written as its format demands, so that it can only be read in one way.',
  'signed facts': 'What the receipt states is what was signed, and not something added to it.',
  leaf: 'The record given is one that a log can hold, and the one that the receipt names.',
  'log signature':
    'The log has signed the state of its tree with a key that you trust, and cannot deny it.',
  witnesses:
    'Organisations other than the log have seen the same state, so that it was not made up for you.',
  inclusion:
    'The record is in the tree that was signed: had one byte of it been changed, this would fail.',
  'time-stamp': 'An authority for time was asked, and has given a time-stamp.',
  'time-stamped data': 'The time-stamp is for exactly these bytes.',
  'time-stamp signature': 'The authority has signed the time-stamp.',
  'time-stamp authority': 'The authority is certified for this by somebody whom you trust.',
  'one log': 'Both states of the tree are of the same log.',
  contradiction: 'The two states cannot both be true: a log that only grows has only one of them.',
  contents: 'Every part of the file is as it was when the file was made.',
  policy:
    'The witnesses that the log itself asks for have seen the state. You need not trust them.',
  manifest: 'What the file says of itself (who asked, for what, when) belongs to this log.',
  records: 'The records that are listed are there, in order, and are what was asked for.',
  disclosures: 'What is shown of contents is what was recorded at the time, and nothing else.',
  'earlier head': 'The log has only grown since an earlier state that it had signed.',
  completeness:
    'No record of what was asked for is left out, by an index that the log has bound itself to and anyone with its entries can check.',
  'not covered': 'What this proof does not speak of, whatever it proves. It is not an error.',
  entries: 'Every entry that the log has taken is there, and is what it was when it was taken.',
  tiles: 'What the log keeps to prove its entries fits the entries.',
  'root hash': 'All entries together are those of the state that the log has signed.',
  history: 'Nothing that was there when you looked last was changed, removed or moved.',
  checkpoints: 'Every other state that the log has signed, and that you gave, is one of this log.',
  'record time': 'No record claims to be older than the one before it.',
  'submitter signatures': 'Submitters have signed what they are said to have submitted.',
  'search answer':
    'The answer that you got to a search has all that the log has, and nothing else.',
  map: 'The register by which it can be proven that no record was left out is the right one.',
}

/** One sentence, or undefined for a check that is not known here. */
export function checkMeaning(name: string): string | undefined {
  return Object.hasOwn(MEANINGS, name) ? MEANINGS[name] : undefined
}
