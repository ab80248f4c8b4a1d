package trust

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// accessACL is the attribute that holds the access control list of a file.
const accessACL = "system.posix_acl_access"

// ofContent are attributes that belong to the content of a file, not to its name: hashes, signatures and capabilities.
var ofContent = []string{"security.ima", "security.evm", "security.capability"}

// ReadAttributes returns the extended attributes of an open file, access control lists included, and the names of those that cannot be
// moved to other content. A file system without attributes is no error.
func ReadAttributes(f *os.File) (kept Attributes, dropped []string, err error) {
	names, err := listAttributes(f)
	if err != nil {
		return nil, nil, fmt.Errorf("list attributes of %s: %w", f.Name(), err)
	}
	kept = Attributes{}
	for _, name := range names {
		if slices.Contains(ofContent, name) {
			dropped = append(dropped, name)
			continue
		}
		value, err := attribute(f, name)
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			dropped = append(dropped, name)
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read attribute %s of %s: %w", name, f.Name(), err)
		}
		kept[name] = value
	}
	return kept, dropped, nil
}

// Set gives an open file these attributes. An access control list that it inherited from its directory is removed if there is none among
// them. A security label that the system does not let this process set is left as the system chose it. A nil a changes nothing.
func (a Attributes) Set(f *os.File) error {
	if a == nil {
		return nil
	}
	if _, wanted := a[accessACL]; !wanted {
		err := ignoringInterrupts(func() error { return unix.Fremovexattr(int(f.Fd()), accessACL) })
		if err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.ENOTSUP) {
			return fmt.Errorf("remove attribute %s of %s: %w", accessACL, f.Name(), err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if have, err := attribute(f, name); err == nil && bytes.Equal(have, a[name]) {
			continue
		}
		err := ignoringInterrupts(func() error { return unix.Fsetxattr(int(f.Fd()), name, a[name], 0) })
		if err != nil && strings.HasPrefix(name, "security.") {
			continue
		}
		if err != nil {
			return fmt.Errorf("keep attribute %s of %s: %w", name, f.Name(), err)
		}
	}
	return nil
}

// listAttributes returns the names of the attributes of an open file.
func listAttributes(f *os.File) ([]string, error) {
	data, err := grow(func(buffer []byte) (int, error) { return unix.Flistxattr(int(f.Fd()), buffer) })
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	return strings.FieldsFunc(string(data), func(r rune) bool { return r == 0 }), err
}

// attribute returns the value of an attribute.
func attribute(f *os.File, name string) ([]byte, error) {
	return grow(func(buffer []byte) (int, error) { return unix.Fgetxattr(int(f.Fd()), name, buffer) })
}

// grow calls read with larger buffers until the result fits.
func grow(read func([]byte) (int, error)) ([]byte, error) {
	for size := 1024; ; size *= 4 {
		buffer, n := make([]byte, size), 0
		err := ignoringInterrupts(func() (err error) {
			n, err = read(buffer)
			return err
		})
		if errors.Is(err, unix.ERANGE) && size < 1<<20 {
			continue
		}
		if err != nil {
			return nil, err
		}
		return buffer[:n], nil
	}
}

// ignoringInterrupts calls do until no signal interrupts it.
func ignoringInterrupts(do func() error) error {
	for {
		if err := do(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
