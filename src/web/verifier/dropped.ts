/** Files that are dropped onto the page, also whole folders of them. */

/** The files of a drop, those of folders among them, in no order; at most so many. */
export async function filesOf(transfer: DataTransfer, most: number): Promise<File[]> {
  // Before anything is waited for: a drop is empty afterwards.
  const entries = [...transfer.items].flatMap((item) => item.webkitGetAsEntry() ?? [])
  if (entries.length === 0) return [...transfer.files].slice(0, most)
  const files: File[] = []
  while (entries.length > 0 && files.length < most) {
    const entry = entries.shift()!
    if (isFile(entry)) files.push(await new Promise<File>((done, fail) => entry.file(done, fail)))
    else if (isFolder(entry)) entries.push(...(await entriesOf(entry)))
  }
  return files
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile
}

function isFolder(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory
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
