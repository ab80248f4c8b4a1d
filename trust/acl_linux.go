package trust

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Tags of the entries of a POSIX access control list, as in <linux/posix_acl.h>.
const (
	aclUser  = 0x02
	aclGroup = 0x08
	aclMask  = 0x10
)

// aclHeader and aclEntry are the sizes of the version and of one entry in bytes.
const (
	aclHeader = 4
	aclEntry  = 8
)

// Grants returns the users and groups, other than the owner and the group of a file, that its access
// control list lets read or write it. A file without a list, or on a file system without them, has none.
func Grants(path string) []Grant {
	data, err := grow(func(buffer []byte) (int, error) { return unix.Getxattr(path, accessACL, buffer) })
	if err != nil {
		return nil
	}
	return grants(data)
}

// grants returns the named entries of an access control list, as far as its mask permits them.
func grants(list []byte) (found []Grant) {
	mask := uint16(7)
	for at := aclHeader; at+aclEntry <= len(list); at += aclEntry {
		tag := binary.LittleEndian.Uint16(list[at:])
		rights := binary.LittleEndian.Uint16(list[at+2:])
		id := int(binary.LittleEndian.Uint32(list[at+4:]))
		switch tag {
		case aclMask:
			mask = rights
		case aclUser, aclGroup:
			found = append(found, Grant{ID: id, Group: tag == aclGroup, Read: rights&4 != 0, Write: rights&2 != 0})
		}
	}
	effective := found[:0]
	for _, g := range found {
		g.Read, g.Write = g.Read && mask&4 != 0, g.Write && mask&2 != 0
		if g.Read || g.Write {
			effective = append(effective, g)
		}
	}
	return effective
}
