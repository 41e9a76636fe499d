/** Files that are dropped onto the page, also whole folders of them. */

/**
 * The files of a drop, those of folders among them, in no order; at most so many.
 * @throws Error when a folder cannot be opened, as by most browsers for a page on a disk
 */
export async function filesOf(transfer: DataTransfer, most: number): Promise<File[]> {
  // Before anything is waited for: a drop is empty afterwards.
  const items = [...transfer.items].map((item) => ({
    entry: item.webkitGetAsEntry(),
    file: item.getAsFile(),
  }))
  const folders = items.flatMap(({ entry }) => (entry !== null && isFolder(entry) ? [entry] : []))
  // What a file is by its entry is for pages from a server only.
  const files = items.flatMap(({ entry, file }) =>
    file === null || entry?.isDirectory ? [] : [file],
  )
  try {
    while (folders.length > 0 && files.length < most) {
      for (const entry of await entriesOf(folders.shift()!)) {
        if (isFolder(entry)) folders.push(entry)
        else if (isFile(entry)) files.push(await fileOf(entry))
      }
    }
  } catch (cause) {
    const message = 'this browser opens no folder that is dropped here: choose it instead'
    throw new Error(message, { cause })
  }
  return files
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((done, fail) => entry.file(done, fail))
}

/** A folder gives its content in parts, and an empty part at last. */
async function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader()
  const entries: FileSystemEntry[] = []
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((done, fail) =>
      reader.readEntries(done, fail),
    )
    if (some.length === 0) return entries
    entries.push(...some)
  }
}
