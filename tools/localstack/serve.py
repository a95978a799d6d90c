"""LocalStack on loopback alone, with all that it keeps below `$FILESYSTEM_ROOT`; its own Python runs this."""

import functools
import os

from localstack.runtime.main import main
from localstack.services.lambda_.invocation.docker_runtime_executor import DockerRuntimeExecutor
from localstack.services.s3 import provider
from twisted.internet import endpoints

# It takes no heed of the address in GATEWAY_LISTEN, and keeps objects below /tmp whatever it is told.
endpoints.TCP4ServerEndpoint = functools.partial(endpoints.TCP4ServerEndpoint, interface="127.0.0.1")
provider.DEFAULT_S3_TMP_DIR = os.path.join(os.environ["FILESYSTEM_ROOT"], "s3")  # noqa: PTH118  # it is a text there
# A function is made, and never called: what would call it needs Docker, and a program of GitHub.
DockerRuntimeExecutor.prepare_version = classmethod(lambda *_: None)

main()
