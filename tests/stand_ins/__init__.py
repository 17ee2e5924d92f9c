"""Stand-ins for services outside: real servers on loopback that a person can run too."""
