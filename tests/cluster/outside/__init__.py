"""The outside world of the test cluster: public addresses, and the services there that receive notifications."""
