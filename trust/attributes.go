package trust

// Attributes are the extended attributes of a file by name. Nil means that they are not known.
type Attributes map[string][]byte

// Grant is an entry of an access control list for a user or a group.
type Grant struct {
	ID          int
	Group       bool // ID is a group
	Read, Write bool
}

// Name describes the user or group for messages.
func (g Grant) Name() string {
	if g.Group {
		return "group " + groupName(g.ID)
	}
	return UserName(g.ID)
}
