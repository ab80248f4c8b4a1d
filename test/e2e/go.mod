// The end-to-end tests are a module of their own so that what they need never
// becomes a dependency of the registry.
module packhouse/test/e2e

go 1.26.0
