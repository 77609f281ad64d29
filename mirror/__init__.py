"""The review mirror itself: the domain, pure, in `mirror.domain`; its Redis side in `mirror.storage`."""

VERSION = "0.1.0"
