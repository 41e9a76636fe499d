package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	fnote "github.com/transparency-dev/formats/note"
)

// subtree reads the signature lines of a witness, and has that of an ML-DSA-44 key verified for a subtree.
func subtree(arguments []string) error {
	flags := flag.NewFlagSet("subtree", flag.ExitOnError)
	vkey := flags.String("witness", "", "ML-DSA-44 verifier key of the witness")
	origin := flags.String("origin", "", "origin of the log")
	start := flags.Uint64("start", 0, "first leaf of the subtree")
	end := flags.Uint64("end", 0, "end of the subtree")
	hash64 := flags.String("hash", "", "hash of the subtree in base64")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	verifier, err := fnote.NewMLDSAVerifier(*vkey)
	if err != nil {
		return fmt.Errorf("witness key: %w", err)
	}
	hash, err := base64.StdEncoding.DecodeString(*hash64)
	if err != nil {
		return err
	}
	lines, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(lines)) {
		name, encoded, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(line, "— "), "\n"), " ")
		signature, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(signature) < 4 {
			return fmt.Errorf("not a signature line: %q", line)
		}
		if name != verifier.Name() || binary.BigEndian.Uint32(signature) != verifier.KeyHash() {
			continue
		}
		if !verifier.VerifySubtree(0, *origin, *start, *end, hash, signature[4:]) {
			return errors.New("formats does not verify the signature")
		}
		if verifier.VerifySubtree(0, *origin, *start, *end+1, hash, signature[4:]) {
			return errors.New("formats verifies the signature for another subtree")
		}
		return nil
	}
	return fmt.Errorf("no signature by %s", verifier.Name())
}
