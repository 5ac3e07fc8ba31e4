package identity

import (
	"context"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/versionlake/versionlake/lake/objects"
)

// The key of erasures lies in the catalog alone, so that who reads the warehouse can't test whose ids were forgotten.
// A catalog that is lost would take it along. So the operator may make a recovery key: its public half lies in the
// catalog, the key of erasures lies in the warehouse, sealed for it, and only who has the private half, a file that is
// kept apart from both, can open that.

const (
	keyFileName = "versionlake-recovery-key"
	sealInfo    = "versionlake key of erasures"
	// PropertyRecovery is the property of the namespace of the ledger that holds the public half.
	PropertyRecovery = "versionlake.recovery-key"
)

// sealed is the key of erasures as the warehouse holds it.
type sealed struct {
	For string `json:"for"` // the public half
	Key string `json:"key"`
}

func sealedObject(root string) string { return root + "/" + Folder + "/erasure-key.json" }

// ErrNoKey: the recovery key is missing, or not the one for which the key of erasures was sealed.
var ErrNoKey = fmt.Errorf("%w: no recovery key that opens the key of erasures", objects.ErrConfig)

// RecoveryKey is the private half.
type RecoveryKey struct{ private *ecdh.PrivateKey }

// NewRecoveryKey makes one, and a file of it that only its owner can read. There must be no such file yet.
func NewRecoveryKey(path string) (RecoveryKey, error) {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return RecoveryKey{}, fmt.Errorf("make a recovery key: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return RecoveryKey{}, fmt.Errorf("write the recovery key: %w", err)
	}
	_, err = fmt.Fprintf(file, "# With this key, versionlake recover keeps the forgotten out of a lake whose catalog was "+
		"lost.\n# Keep it apart from the catalog and the warehouse.\n%s %x\n", keyFileName, private.Bytes())
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return RecoveryKey{}, fmt.Errorf("write the recovery key: %w", err)
	}
	return RecoveryKey{private}, nil
}

// ReadRecoveryKey reads such a file.
func ReadRecoveryKey(path string) (RecoveryKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return RecoveryKey{}, fmt.Errorf("read the recovery key: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		digits, is := strings.CutPrefix(strings.TrimSpace(line), keyFileName+" ")
		if !is {
			continue
		}
		if bytes, err := hex.DecodeString(digits); err == nil {
			if private, err := ecdh.X25519().NewPrivateKey(bytes); err == nil {
				return RecoveryKey{private}, nil
			}
		}
	}
	return RecoveryKey{}, fmt.Errorf("%w: %s holds none", ErrNoKey, path)
}

// Public is the half by which keys are sealed.
func (k RecoveryKey) Public() string { return hex.EncodeToString(k.private.PublicKey().Bytes()) }

// Register lets the key of erasures be sealed for a recovery key from now on.
func (s Sides) Register(ctx context.Context, k RecoveryKey) error {
	return s.Catalog.SetProperty(ctx, Namespace, PropertyRecovery, k.Public())
}

// Seal keeps the key of erasures in the warehouse, where there is a recovery key and it was not sealed for it yet.
func (s Sides) Seal(ctx context.Context, key []byte) error {
	public, err := s.Catalog.Property(ctx, Namespace, PropertyRecovery)
	if err != nil || public == "" {
		return err
	}
	var kept sealed
	object := sealedObject(s.Objects.Root)
	if err := s.Objects.ReadJSON(object, &kept); err != nil && !objects.IsMissing(err) {
		return err
	}
	if kept.For == public {
		return nil
	}
	bytes, err := hex.DecodeString(public)
	if err != nil {
		return fmt.Errorf("the property %s of the catalog is no key: %w", PropertyRecovery, err)
	}
	curve, err := ecdh.X25519().NewPublicKey(bytes)
	if err != nil {
		return fmt.Errorf("the property %s of the catalog is no key: %w", PropertyRecovery, err)
	}
	half, err := hpke.NewDHKEMPublicKey(curve)
	if err != nil {
		return fmt.Errorf("seal the key of erasures: %w", err)
	}
	text, err := hpke.Seal(half, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(sealInfo), key)
	if err != nil {
		return fmt.Errorf("seal the key of erasures: %w", err)
	}
	return s.Objects.WriteJSON(object, sealed{For: public, Key: hex.EncodeToString(text)})
}

// Unseal opens the key of erasures that the warehouse holds. Errors: ErrNoKey.
func Unseal(o *objects.Store, k *RecoveryKey) ([]byte, error) {
	var kept sealed
	err := o.ReadJSON(sealedObject(o.Root), &kept)
	if objects.IsMissing(err) {
		return nil, fmt.Errorf("%w: none was made before the catalog was lost", ErrNoKey)
	}
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, fmt.Errorf("%w: name its file with --key", ErrNoKey)
	}
	if kept.For != k.Public() {
		return nil, fmt.Errorf("%w: it was sealed for another one", ErrNoKey)
	}
	text, err := hex.DecodeString(kept.Key)
	if err != nil {
		return nil, fmt.Errorf("read the sealed key of erasures: %w", err)
	}
	half, err := hpke.NewDHKEMPrivateKey(k.private)
	if err != nil {
		return nil, fmt.Errorf("open the key of erasures: %w", err)
	}
	key, err := hpke.Open(half, hpke.HKDFSHA256(), hpke.AES256GCM(), []byte(sealInfo), text)
	if err != nil {
		return nil, fmt.Errorf("open the key of erasures: %w", err)
	}
	return key, nil
}

// Unsealed takes away a sealed key that counts no more.
func Unsealed(ctx context.Context, o *objects.Store) error {
	return o.Remove(ctx, []string{sealedObject(o.Root)})
}
