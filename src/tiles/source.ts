/** Where tiles and entry bundles come from: a store, a directory, or a log on the other side of the network. */

export interface TileSource {
  /**
   * The first `width` hashes (1 to 256) of a tile: exactly `32·width` bytes. They are not verified here.
   * @throws NOT_FOUND when the source does not have them
   */
  tile(level: number, tile: number, width: number): Promise<Uint8Array>

  /**
   * The first `width` entries (1 to 256) of an entry bundle, in its framing. They are not verified here.
   * @throws NOT_FOUND when the source does not have them
   */
  bundle(bundle: number, width: number): Promise<Uint8Array>
}
