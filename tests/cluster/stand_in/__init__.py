"""What stands for Grafana on the test cluster, where its server cannot be built: it reads all that Grafana would read.

It runs in a pod under the official image's name, on the standard library and PyYAML alone.
"""
