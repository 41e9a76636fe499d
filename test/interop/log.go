package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A remoteLog is a log and the head that everything is checked under.
type remoteLog struct {
	address  string
	verifier note.Verifier
	fetcher  *client.HTTPFetcher
	tree     tlog.Tree
}

func openLog(address, keyFile string) (*remoteLog, error) {
	keys, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(strings.SplitN(string(keys), "\n", 2)[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyFile, err)
	}
	base, err := url.Parse(strings.TrimSuffix(address, "/") + "/")
	if err != nil {
		return nil, err
	}
	fetcher, err := client.NewHTTPFetcher(base, nil)
	if err != nil {
		return nil, err
	}
	log := &remoteLog{address: strings.TrimSuffix(address, "/"), verifier: verifier, fetcher: fetcher}
	checkpoint, _, _, err := client.FetchCheckpoint(context.Background(), fetcher.ReadCheckpoint, verifier, verifier.Name())
	if err != nil {
		return nil, err
	}
	log.tree.N = int64(checkpoint.Size)
	copy(log.tree.Hash[:], checkpoint.Hash)
	return log, nil
}

// Height, ReadTiles and SaveTiles make a remoteLog a tlog.TileReader.
func (log *remoteLog) Height() int { return 8 }

func (log *remoteLog) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		bytes, err := log.fetcher.ReadTile(context.Background(), uint64(tile.L), uint64(tile.N), uint8(tile.W%256))
		if err != nil {
			return nil, err
		}
		if len(bytes) < tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes", tile.Path(), len(bytes))
		}
		// A fetcher may answer a partial tile with the full one.
		data[i] = bytes[:tile.W*tlog.HashSize]
	}
	return data, nil
}

func (log *remoteLog) SaveTiles([]tlog.Tile, [][]byte) {}

// get reads a resource, and leaves alone what is not asked for by a plain GET.
func (log *remoteLog) get(path string) ([]byte, error) {
	response, err := http.Get(log.address + path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", path, response.Status, body)
	}
	return body, err
}

func (log *remoteLog) getJSON(path string, into any) error {
	body, err := log.get(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("GET %s: %w", path, err)
	}
	return nil
}

func logChecks(log *remoteLog) []check {
	return []check{
		{"sumdb/note opens the checkpoint", log.checkNote},
		{"sumdb/tlog authenticates every hash tile", log.checkTiles},
		{"sumdb/tlog makes the inclusion proofs that we answer", log.checkInclusion},
		{"sumdb/tlog makes the consistency proofs that we answer", log.checkConsistency},
		{"tessera/client makes the same proofs", log.checkTesseraProofs},
		{"/ct/v1 answers as RFC 6962 has it", log.checkCT},
		{"tessera/fsck reproduces the log from its entries", log.checkFsck},
	}
}

func (log *remoteLog) checkNote() (string, error) {
	raw, err := log.fetcher.ReadCheckpoint(context.Background())
	if err != nil {
		return "", err
	}
	opened, err := note.Open(raw, note.VerifierList(log.verifier))
	if err != nil {
		return "", err
	}
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != log.verifier.Name() {
		return "", fmt.Errorf("origin %q", lines[0])
	}
	if _, err := note.Open(bytes.Replace(raw, []byte("\n"), []byte("x\n"), 1), note.VerifierList(log.verifier)); err == nil {
		return "", fmt.Errorf("a changed checkpoint was opened")
	}
	return fmt.Sprintf("%s, size %s, %d more signatures", lines[0], lines[1], len(opened.UnverifiedSigs)), nil
}

func (log *remoteLog) checkTiles() (string, error) {
	reader := tlog.TileHashReader(log.tree, log)
	root, err := tlog.TreeHash(log.tree.N, reader)
	if err != nil {
		return "", err
	}
	if root != log.tree.Hash {
		return "", fmt.Errorf("the tiles give root %v, the checkpoint has %v", root, log.tree.Hash)
	}
	tiles := tlog.NewTiles(8, 0, log.tree.N)
	for _, tile := range tiles {
		indexes := make([]int64, tile.W)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(tile.L*8, tile.N*256+int64(i))
		}
		if _, err := reader.ReadHashes(indexes); err != nil {
			return "", fmt.Errorf("%s: %w", tile.Path(), err)
		}
	}
	return fmt.Sprintf("%d tiles", len(tiles)), nil
}

// sample gives places worth looking at below a limit: both ends, powers of two and what lies beside them.
func sample(limit int64) []int64 {
	var found []int64
	seen := map[int64]bool{}
	add := func(n int64) {
		if n >= 0 && n < limit && !seen[n] {
			seen[n] = true
			found = append(found, n)
		}
	}
	for power := int64(1); power < limit; power *= 2 {
		add(power - 1)
		add(power)
		add(power + 1)
	}
	for _, n := range []int64{0, limit / 3, limit / 2, limit - 257, limit - 256, limit - 2, limit - 1} {
		add(n)
	}
	return found
}

type inclusionAnswer struct {
	Index    int64    `json:"leaf_index"`
	TreeSize int64    `json:"tree_size"`
	LeafHash string   `json:"leaf_hash"`
	Path     []string `json:"inclusion_path"`
}

func (log *remoteLog) checkInclusion() (string, error) {
	reader := tlog.TileHashReader(log.tree, log)
	proofs := 0
	for _, size := range sizes(log.tree.N) {
		head, err := tlog.TreeHash(size, reader)
		if err != nil {
			return "", err
		}
		for _, index := range sample(size) {
			ours, err := tlog.ProveRecord(size, index, reader)
			if err != nil {
				return "", err
			}
			leaves, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
			if err != nil {
				return "", err
			}
			if err := tlog.CheckRecord(ours, size, head, index, leaves[0]); err != nil {
				return "", err
			}
			var answer inclusionAnswer
			if err := log.getJSON(fmt.Sprintf("/v1/proofs/inclusion/%d/%d", size, index), &answer); err != nil {
				return "", err
			}
			if err := same(answer.Path, hashes(ours)); err != nil {
				return "", fmt.Errorf("leaf %d in size %d: %w", index, size, err)
			}
			if proofs++; answer.Index != index || answer.TreeSize != size {
				return "", fmt.Errorf("asked for leaf %d in size %d, got %d in %d", index, size, answer.Index, answer.TreeSize)
			}
			var byHash inclusionAnswer
			if err := log.getJSON(fmt.Sprintf("/v1/proofs/inclusion/%d/%x", size, leaves[0][:]), &byHash); err != nil {
				return "", err
			}
			if err := same(byHash.Path, answer.Path); err != nil || byHash.Index != index {
				return "", fmt.Errorf("leaf %d by its hash: index %d, %v", index, byHash.Index, err)
			}
		}
	}
	return fmt.Sprintf("%d proofs", proofs), nil
}

// sizes gives the tree sizes that proofs are asked for.
func sizes(newest int64) []int64 {
	var found []int64
	for _, size := range []int64{1, 2, 3, 7, 255, 256, 257, 511, 1000, 65535, 65536, 65537} {
		if size < newest {
			found = append(found, size)
		}
	}
	return append(found, newest)
}

func (log *remoteLog) checkConsistency() (string, error) {
	reader := tlog.TileHashReader(log.tree, log)
	all := sizes(log.tree.N)
	proofs := 0
	for i, second := range all {
		for _, first := range all[:i+1] {
			ours, err := tlog.ProveTree(second, first, reader)
			if err != nil {
				return "", err
			}
			before, err := tlog.TreeHash(first, reader)
			if err != nil {
				return "", err
			}
			after, err := tlog.TreeHash(second, reader)
			if err != nil {
				return "", err
			}
			if err := tlog.CheckTree(ours, second, after, first, before); err != nil {
				return "", err
			}
			var answer struct {
				Path []string `json:"consistency_path"`
			}
			if err := log.getJSON(fmt.Sprintf("/v1/proofs/consistency/%d/%d", first, second), &answer); err != nil {
				return "", err
			}
			if err := same(answer.Path, hashes(ours)); err != nil {
				return "", fmt.Errorf("%d to %d: %w", first, second, err)
			}
			proofs++
		}
	}
	return fmt.Sprintf("%d proofs", proofs), nil
}

func (log *remoteLog) checkTesseraProofs() (string, error) {
	ctx := context.Background()
	builder, err := client.NewProofBuilder(ctx, uint64(log.tree.N), log.fetcher.ReadTile)
	if err != nil {
		return "", err
	}
	reader := tlog.TileHashReader(log.tree, log)
	proofs := 0
	for _, index := range sample(log.tree.N) {
		theirs, err := builder.InclusionProof(ctx, uint64(index))
		if err != nil {
			return "", err
		}
		ours, err := tlog.ProveRecord(log.tree.N, index, reader)
		if err != nil {
			return "", err
		}
		if err := same(encoded(theirs), hashes(ours)); err != nil {
			return "", fmt.Errorf("leaf %d: %w", index, err)
		}
		proofs++
	}
	return fmt.Sprintf("%d proofs", proofs), nil
}

func (log *remoteLog) checkCT() (string, error) {
	var head struct {
		TreeSize int64  `json:"tree_size"`
		Root     string `json:"sha256_root_hash"`
	}
	if err := log.getJSON("/ct/v1/get-sth", &head); err != nil {
		return "", err
	}
	if head.TreeSize != log.tree.N || head.Root != base64.StdEncoding.EncodeToString(log.tree.Hash[:]) {
		return "", fmt.Errorf("get-sth has size %d and root %s", head.TreeSize, head.Root)
	}
	reader := tlog.TileHashReader(log.tree, log)
	index := log.tree.N / 2
	var entry struct {
		Leaf []byte   `json:"leaf_input"`
		Path []string `json:"audit_path"`
	}
	if err := log.getJSON(fmt.Sprintf("/ct/v1/get-entry-and-proof?leaf_index=%d&tree_size=%d", index, log.tree.N), &entry); err != nil {
		return "", err
	}
	proof, err := parseHashes(entry.Path)
	if err != nil {
		return "", err
	}
	if err := tlog.CheckRecord(proof, log.tree.N, log.tree.Hash, index, tlog.RecordHash(entry.Leaf)); err != nil {
		return "", err
	}
	var consistency struct {
		Path []string `json:"consistency"`
	}
	if err := log.getJSON(fmt.Sprintf("/ct/v1/get-sth-consistency?first=%d&second=%d", index, log.tree.N), &consistency); err != nil {
		return "", err
	}
	ours, err := tlog.ProveTree(log.tree.N, index, reader)
	if err != nil {
		return "", err
	}
	return "get-sth, get-entry-and-proof, get-sth-consistency", same(consistency.Path, hashes(ours))
}

func (log *remoteLog) checkFsck() (string, error) {
	checker := fsck.New(log.verifier.Name(), log.verifier, log.fetcher, leafHashes, fsck.Opts{N: 4})
	if err := checker.Check(context.Background()); err != nil {
		return "", err
	}
	status := checker.Status()
	return fmt.Sprintf("%d resources", status.ResourcesFetched), nil
}

// leafHashes reads an entry bundle with Tessera's parser and hashes with x/mod's.
func leafHashes(framed []byte) ([][]byte, error) {
	bundle := &api.EntryBundle{}
	if err := bundle.UnmarshalText(framed); err != nil {
		return nil, err
	}
	all := make([][]byte, len(bundle.Entries))
	for i, entry := range bundle.Entries {
		hash := tlog.RecordHash(entry)
		all[i] = hash[:]
	}
	return all, nil
}

func hashes(proof []tlog.Hash) []string {
	all := make([]string, len(proof))
	for i, hash := range proof {
		all[i] = base64.StdEncoding.EncodeToString(hash[:])
	}
	return all
}

func encoded(proof [][]byte) []string {
	all := make([]string, len(proof))
	for i, hash := range proof {
		all[i] = base64.StdEncoding.EncodeToString(hash)
	}
	return all
}

func parseHashes(encoded []string) ([]tlog.Hash, error) {
	all := make([]tlog.Hash, len(encoded))
	for i, text := range encoded {
		hash, err := tlog.ParseHash(text)
		if err != nil {
			return nil, err
		}
		all[i] = hash
	}
	return all, nil
}

func same(got, want []string) error {
	if len(got) != len(want) {
		return fmt.Errorf("a proof of %d hashes, expected %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			return fmt.Errorf("hash %d is %s, expected %s", i, got[i], want[i])
		}
	}
	return nil
}
