package setup

// ChangeKind is the type of a change.
type ChangeKind string

// Kinds of changes.
const (
	Create ChangeKind = "create"
	Update ChangeKind = "update"
	Remove ChangeKind = "remove"
	Keep   ChangeKind = "keep"
)
