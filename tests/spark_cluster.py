"""A standalone cluster of Spark on this machine, started from the pip package alone."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

_SECONDS = 60

# For JVMs that live for some seconds: they compile less, and collect garbage in one thread.
SHORT_LIVED = {'JAVA_TOOL_OPTIONS': '-XX:TieredStopAtLevel=1 -XX:+UseSerialGC'}


class Cluster:
    """A master and workers on loopback, each a process of its own; used as a context manager.

    Args:
      folder: for what the processes write.
      workers: how many.
      cores: of each worker.
      memory: of each worker, as Spark takes it.
      environment: a dict of variables of all its processes.
    """

    def __init__(self, folder, workers=2, cores=1, memory='1g', environment=None):
        self._environment = environment or {}
        self._folder, self._memory, self._cores = str(folder), memory, cores
        self._count, self._ports = workers, _free_ports(2)
        self.workers = []
        self._master = None

    @property
    def address(self):
        """What --master takes."""
        return 'spark://127.0.0.1:%d' % self._ports[0]

    def __enter__(self):
        self._master = self._start(
            'org.apache.spark.deploy.master.Master',
            *('--host', '127.0.0.1', '--port', str(self._ports[0])),
            *('--webui-port', str(self._ports[1])),
        )
        try:
            self._wait_for(0)
            for _ in range(self._count):
                self.add_worker()
            self._wait_for(self._count)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.workers + [self._master]:
            stop(process)

    def add_worker(self):
        """Starts one more worker."""
        folder = os.path.join(self._folder, 'worker_%d' % len(self.workers))
        self.workers.append(
            self._start(
                'org.apache.spark.deploy.worker.Worker',
                *('--host', '127.0.0.1', '--cores', str(self._cores)),
                *('--memory', self._memory, '--work-dir', folder, '--webui-port', '0'),
                self.address,
            )
        )

    def _start(self, *arguments):
        import pyspark

        program = os.path.join(os.path.dirname(pyspark.__file__), 'bin', 'spark-class')
        environment = dict(os.environ, SPARK_DAEMON_MEMORY='256m', SPARK_LOCAL_IP='127.0.0.1')
        environment.update(self._environment)
        environment['PYSPARK_PYTHON'] = sys.executable
        with open(os.path.join(self._folder, 'cluster.log'), 'ab') as log:
            return subprocess.Popen(
                [program] + list(arguments),
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )

    def _wait_for(self, workers):
        """Waits until the master has so many workers."""
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                page = 'http://127.0.0.1:%d/json/' % self._ports[1]
                with urllib.request.urlopen(page, timeout=5) as answer:
                    if answer.read().count(b'"ALIVE"') >= workers + 1:  # The master is one, too.
                        return
            time.sleep(0.2)
        with open(os.path.join(self._folder, 'cluster.log'), errors='replace') as log:
            raise RuntimeError('the cluster does not start: ' + log.read()[-2000:])


def stop(process):
    """Ends a process and those that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(('127.0.0.1', 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
