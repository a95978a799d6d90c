"""A real Kubernetes of three nodes as a test tool: every program is the real one, without Docker, in half a minute."""
