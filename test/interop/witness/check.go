package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"filippo.io/torchwood"
	flog "github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	fproof "github.com/transparency-dev/formats/proof"
	fwitness "github.com/transparency-dev/formats/witness"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A named list of flags of one name.
type words []string

func (w *words) String() string { return strings.Join(*w, " ") }

func (w *words) Set(word string) error {
	*w = append(*w, word)
	return nil
}

// check reads a checkpoint, or a tlog-proof of a leaf, and has it verified by every library that knows its keys.
func check(arguments []string) error {
	flags := flag.NewFlagSet("check", flag.ExitOnError)
	var witnesses words
	log := flags.String("log", "", "Ed25519 verifier key of the log")
	flags.Var(&witnesses, "witness", "verifier key of a witness that must have cosigned; may be repeated")
	policyFile := flags.String("policy", "", "a policy that must hold; its keys are Ed25519")
	leaf := flags.String("leaf", "", "the leaf, where standard input is a tlog-proof")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	checkpoint := input
	if *leaf != "" {
		var proof fproof.TLogProof
		if err := proof.Unmarshal(input); err != nil {
			return fmt.Errorf("formats/proof: %w", err)
		}
		checkpoint = proof.Checkpoint
	}
	if err := checkNote(checkpoint, *log, witnesses); err != nil {
		return err
	}
	if *policyFile != "" {
		text, err := os.ReadFile(*policyFile)
		if err != nil {
			return err
		}
		if err := checkPolicy(input, checkpoint, text, *leaf); err != nil {
			return err
		}
	}
	_, size, _ := strings.Cut(string(checkpoint), "\n")
	size, _, _ = strings.Cut(size, "\n")
	fmt.Printf("size %s, %d witness keys\n", size, len(witnesses))
	return nil
}

// checkNote opens the note with every key, and looks at the time of each cosignature.
func checkNote(checkpoint []byte, logKey string, witnesses []string) error {
	log, err := note.NewVerifier(logKey)
	if err != nil {
		return fmt.Errorf("the key of the log: %w", err)
	}
	others := make([]note.Verifier, len(witnesses))
	for i, vkey := range witnesses {
		if others[i], err = fnote.NewVerifierForCosignatureV1(vkey); err != nil {
			return fmt.Errorf("witness key %s: %w", vkey, err)
		}
	}
	_, _, opened, err := flog.ParseCheckpoint(checkpoint, log.Name(), log, others...)
	if err != nil {
		return fmt.Errorf("formats/log: %w", err)
	}
	if _, err := torchwood.ParseCheckpoint(opened.Text); err != nil {
		return fmt.Errorf("torchwood: %w", err)
	}
	for _, other := range others {
		signature, err := signatureBy(opened.Sigs, other)
		if err != nil {
			return err
		}
		seen, err := fnote.CoSigV1Timestamp(signature)
		if err != nil {
			return fmt.Errorf("the time of %s: %w", other.Name(), err)
		}
		if age := time.Since(seen); age < -time.Minute || age > time.Hour {
			return fmt.Errorf("%s says that it cosigned at %s", other.Name(), seen)
		}
	}
	return nil
}

func signatureBy(signatures []note.Signature, key note.Verifier) (note.Signature, error) {
	for _, signature := range signatures {
		if signature.Name == key.Name() && signature.Hash == key.KeyHash() {
			return signature, nil
		}
	}
	return note.Signature{}, fmt.Errorf("%s did not cosign", key.Name())
}

// checkPolicy has the policy decided by torchwood, which also checks the inclusion of the leaf, and by formats.
func checkPolicy(input, checkpoint, text []byte, leaf string) error {
	policy, err := torchwood.ParsePolicy(text)
	if err != nil {
		return fmt.Errorf("torchwood reads the policy: %w", err)
	}
	if _, _, err := torchwood.VerifyCheckpoint(checkpoint, policy); err != nil {
		return fmt.Errorf("torchwood applies the policy: %w", err)
	}
	if leaf != "" {
		if err := torchwood.VerifyProof(policy, tlog.RecordHash([]byte(leaf)), input); err != nil {
			return fmt.Errorf("torchwood verifies the proof: %w", err)
		}
		if torchwood.VerifyProof(policy, tlog.RecordHash([]byte(leaf+"x")), input) == nil {
			return errors.New("torchwood takes the proof for another leaf")
		}
	}
	group, err := fwitness.ParsePolicy(text)
	if err != nil {
		return fmt.Errorf("formats reads the policy: %w", err)
	}
	if !group.Satisfied(checkpoint) {
		return errors.New("formats does not find the quorum")
	}
	return nil
}
