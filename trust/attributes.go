package trust

// Attributes are the extended attributes of a file by name. Nil means that they are not known.
type Attributes map[string][]byte
