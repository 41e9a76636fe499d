package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A hexBytes is a string of hexadecimal digits in JSON.
type hexBytes []byte

func (into *hexBytes) UnmarshalText(text []byte) error {
	decoded, err := hex.DecodeString(string(text))
	*into = decoded
	return err
}

func (from hexBytes) hash() (hash tlog.Hash) {
	copy(hash[:], from)
	return hash
}

type treeVectors struct {
	Leaves []struct {
		Leaf     hexBytes `json:"leaf"`
		LeafHash hexBytes `json:"leaf_hash"`
	} `json:"leaves"`
	Roots              []hexBytes          `json:"roots"`
	Inclusion          []inclusionVector   `json:"inclusion"`
	InclusionInvalid   []inclusionVector   `json:"inclusion_invalid"`
	Consistency        []consistencyVector `json:"consistency"`
	ConsistencyInvalid []consistencyVector `json:"consistency_invalid"`
}

type inclusionVector struct {
	Reason   string     `json:"reason"`
	Index    int64      `json:"index"`
	Size     int64      `json:"size"`
	LeafHash hexBytes   `json:"leaf_hash"`
	Path     []hexBytes `json:"path"`
	Root     hexBytes   `json:"root"`
}

type consistencyVector struct {
	Reason     string     `json:"reason"`
	First      int64      `json:"first"`
	Second     int64      `json:"second"`
	Path       []hexBytes `json:"path"`
	FirstRoot  hexBytes   `json:"first_root"`
	SecondRoot hexBytes   `json:"second_root"`
}

func (v inclusionVector) check() error {
	return tlog.CheckRecord(path(v.Path), v.Size, v.Root.hash(), v.Index, v.LeafHash.hash())
}

func (v consistencyVector) check() error {
	return tlog.CheckTree(path(v.Path), v.Second, v.SecondRoot.hash(), v.First, v.FirstRoot.hash())
}

func path(hashes []hexBytes) []tlog.Hash {
	all := make([]tlog.Hash, len(hashes))
	for i, one := range hashes {
		all[i] = one.hash()
	}
	return all
}

func vectorChecks(folder string) []check {
	return []check{
		{"vectors: sumdb/tlog makes the same hashes and roots", func() (string, error) { return checkRoots(folder) }},
		{"vectors: sumdb/tlog gives the same verdicts on proofs", func() (string, error) { return checkProofs(folder) }},
		{"vectors: sumdb/note opens the checkpoints", func() (string, error) { return checkCheckpoints(folder) }},
		{"vectors: tessera reads the entry bundle", func() (string, error) { return checkBundle(folder) }},
	}
}

func readVectors(folder, name string, into any) error {
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func checkRoots(folder string) (string, error) {
	var tree treeVectors
	if err := readVectors(folder, "tree.json", &tree); err != nil {
		return "", err
	}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			found[i] = stored[index]
		}
		return found, nil
	})
	for i, leaf := range tree.Leaves {
		if tlog.RecordHash(leaf.Leaf) != leaf.LeafHash.hash() {
			return "", fmt.Errorf("leaf %d hashes to something else", i)
		}
		added, err := tlog.StoredHashes(int64(i), leaf.Leaf, reader)
		if err != nil {
			return "", err
		}
		stored = append(stored, added...)
		root, err := tlog.TreeHash(int64(i+1), reader)
		if err != nil {
			return "", err
		}
		if root != tree.Roots[i+1].hash() {
			return "", fmt.Errorf("the tree of %d leaves has another root", i+1)
		}
	}
	return fmt.Sprintf("%d leaves", len(tree.Leaves)), nil
}

func checkProofs(folder string) (string, error) {
	var tree treeVectors
	if err := readVectors(folder, "tree.json", &tree); err != nil {
		return "", err
	}
	for _, vector := range tree.Inclusion {
		if err := vector.check(); err != nil {
			return "", fmt.Errorf("leaf %d in size %d: %w", vector.Index, vector.Size, err)
		}
	}
	for _, vector := range tree.Consistency {
		if err := vector.check(); err != nil {
			return "", fmt.Errorf("%d to %d: %w", vector.First, vector.Second, err)
		}
	}
	for _, vector := range tree.InclusionInvalid {
		if vector.check() == nil {
			return "", fmt.Errorf("accepted: %s", vector.Reason)
		}
	}
	for _, vector := range tree.ConsistencyInvalid {
		if vector.check() == nil {
			return "", fmt.Errorf("accepted: %s", vector.Reason)
		}
	}
	valid := len(tree.Inclusion) + len(tree.Consistency)
	invalid := len(tree.InclusionInvalid) + len(tree.ConsistencyInvalid)
	return fmt.Sprintf("%d valid, %d invalid", valid, invalid), nil
}

func checkCheckpoints(folder string) (string, error) {
	var keys struct {
		Keys []struct {
			Type string `json:"type"`
			Vkey string `json:"vkey"`
		} `json:"keys"`
	}
	var checkpoints struct {
		Valid []struct {
			Name string   `json:"name"`
			Size int64    `json:"size"`
			Root hexBytes `json:"root"`
			Note string   `json:"note"`
		} `json:"valid"`
	}
	if err := readVectors(folder, "keys.json", &keys); err != nil {
		return "", err
	}
	if err := readVectors(folder, "checkpoints.json", &checkpoints); err != nil {
		return "", err
	}
	var verifier note.Verifier
	for _, key := range keys.Keys {
		if strings.HasPrefix(key.Type, "01 ") {
			made, err := note.NewVerifier(key.Vkey)
			if err != nil {
				return "", err
			}
			verifier = made
		}
	}
	opened := 0
	for _, vector := range checkpoints.Valid {
		// Go knows no other type of key; a note without one it knows is not for it to open.
		ed25519 := fmt.Sprintf("— %s ", verifier.Name())
		signed, err := note.Open([]byte(vector.Note), note.VerifierList(verifier))
		if _, unverified := err.(*note.UnverifiedNoteError); unverified && strings.Contains(vector.Name, "ML-DSA-44 alone") {
			continue
		}
		if err != nil || !strings.Contains(vector.Note, ed25519) {
			return "", fmt.Errorf("%s: %w", vector.Name, err)
		}
		tree := fmt.Sprintf("%s\n%d\n%s\n", verifier.Name(), vector.Size, vector.Root.hash())
		if !strings.HasPrefix(signed.Text, tree) {
			return "", fmt.Errorf("%s: opened as %q", vector.Name, signed.Text)
		}
		opened++
	}
	return fmt.Sprintf("%d checkpoints", opened), nil
}

func checkBundle(folder string) (string, error) {
	var tiles struct {
		Bundle hexBytes `json:"bundle"`
		Tile   hexBytes `json:"tile"`
	}
	if err := readVectors(folder, "tiles.json", &tiles); err != nil {
		return "", err
	}
	hashes, err := leafHashes(tiles.Bundle)
	if err != nil {
		return "", err
	}
	if !bytes.Equal(bytes.Join(hashes, nil), tiles.Tile) {
		return "", fmt.Errorf("its entries do not hash to the tile")
	}
	return fmt.Sprintf("%d entries", len(hashes)), nil
}
