//go:build unix

package trust

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// privateGroup reports whether a group is root's, or the primary group of the acting user, and has no other member, as distributions with a
// umask of 002 set it up. A group that /etc/group does not list counts as private only if it has the number of its user.
func privateGroup(gid, self int) bool {
	if gid == 0 {
		return onlyMember(gid, "root", 0)
	}
	if self != os.Geteuid() || gid != os.Getegid() {
		return false
	}
	return onlyMember(gid, accountName(self), self)
}

// onlyMember reports whether /etc/group and /etc/passwd list no other member of a group than one user.
func onlyMember(gid int, name string, uid int) bool {
	number := strconv.Itoa(gid)
	listed := false
	for _, fields := range records("/etc/group", 4) {
		if fields[2] != number {
			continue
		}
		listed = true
		for member := range strings.SplitSeq(fields[3], ",") {
			if member = strings.TrimSpace(member); member != "" && member != name {
				return false
			}
		}
	}
	for _, fields := range records("/etc/passwd", 4) {
		if fields[3] == number && fields[2] != strconv.Itoa(uid) {
			return false
		}
	}
	return listed || gid == uid
}

// records returns the lines of a file such as /etc/passwd that have a number of fields.
func records(path string, fields int) (list [][]string) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		if record := strings.Split(strings.TrimRight(line, "\r\n"), ":"); len(record) >= fields {
			list = append(list, record)
		}
	}
	return list
}

func accountName(uid int) string {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return strconv.Itoa(uid)
	}
	return u.Username
}

// UserName describes a user for messages: "mallory (uid 1000)".
func UserName(uid int) string {
	if name := accountName(uid); name != strconv.Itoa(uid) {
		return fmt.Sprintf("%s (uid %d)", name, uid)
	}
	return fmt.Sprintf("uid %d", uid)
}

// groupName describes a group for messages.
func groupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return fmt.Sprintf("%s (gid %d)", g.Name, gid)
	}
	return fmt.Sprintf("gid %d", gid)
}
