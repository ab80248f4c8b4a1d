// Package blockdevice provides block devices whose writes a test can record and break.
//
// An Image holds the bytes of one device in memory. It logs every write and flush in order, and an
// injected Fault makes chosen writes fail, vanish, wait, or hang. A Volume serves an Image as a
// file of a FUSE file system, attaches a loop device to that file, and mounts a real file system
// from it. A Cutter computes what the device may hold after a power cut at any point of the log.
//
// Image, Fault and Cutter run everywhere. Volume needs Linux, root, /dev/fuse and loop devices.
package blockdevice
