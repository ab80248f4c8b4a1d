package filesystem

import "syscall"

// systemDeviceErrors are further errors of a failing device: ext4 and xfs return EUCLEAN for a
// damaged structure.
var systemDeviceErrors = []error{syscall.EUCLEAN, syscall.EREMOTEIO, syscall.ESHUTDOWN}
