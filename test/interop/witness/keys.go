package main

import (
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

// A keyPair is a private key as the programs of transparency-dev read it, and what verifies it.
type keyPair struct {
	Skey string `json:"skey"`
	Vkey string `json:"vkey"`
}

// keys makes a log's key and both keys of a witness.
func keys(arguments []string) error {
	flags := flag.NewFlagSet("keys", flag.ExitOnError)
	name := flags.String("name", "", "name of the keys")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, *name)
	if err != nil {
		return err
	}
	cosigner, err := fnote.VKeyToCosignatureV1(vkey)
	if err != nil {
		return fmt.Errorf("the Ed25519 key: %w", err)
	}
	mlDsaSkey, mlDsaVkey, err := fnote.GenerateMLDSAKey(*name + "/ml-dsa-44")
	if err != nil {
		return fmt.Errorf("the ML-DSA-44 key: %w", err)
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]keyPair{
		"log":     {skey, vkey},
		"ed25519": {skey, cosigner},
		"mlDsa":   {mlDsaSkey, mlDsaVkey},
	})
}
