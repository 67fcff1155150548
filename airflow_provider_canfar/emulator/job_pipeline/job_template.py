"""A create's cmd, args and env -> the container, through all that the server does to them.

Nothing is quoted on the way. *PostAction.getHeadlessImageBundle* writes lines of YAML by joining strings;
*SessionJobBuilder.setConfigValue* puts them into the Job's template with *String.replaceAll*; *Yaml.load* and
*Yaml.dump* read and write the result; ``kubectl create`` reads it again; the kubelet expands ``$(NAME)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airflow_provider_canfar.emulator.job_pipeline import kubectl
from airflow_provider_canfar.emulator.job_pipeline.java import split
from airflow_provider_canfar.emulator.job_pipeline.java_regex import replace_all
from airflow_provider_canfar.emulator.job_pipeline.job import Container, container_of
from airflow_provider_canfar.emulator.job_pipeline.kubelet import expand, expand_environment

BUNDLE = "headless.image.bundle"
BUNDLE_LINE = 81

TEMPLATE_HEAD = """\
apiVersion: batch/v1
kind: Job
metadata:
  labels:
    canfar-net-sessionID: "${skaha.sessionid}"
  name: "${skaha.jobname}"
spec:
  parallelism: 1
  completions: 1
  activeDeadlineSeconds: 1209600
  ttlSecondsAfterFinished: 3600
  template:
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      restartPolicy: Never
      containers:
      - name: "${skaha.jobname}"
"""
"""The beginning of *launch-headless.yaml*, as far as a parser's message may point into it."""

TEMPLATE_TAIL = """\
        - name: skaha_hostname
          value: "${skaha.hostname}"
        - name: skaha_username
          value: "${skaha.userid}"
        - name: skaha_sessionid
          value: "${skaha.sessionid}"
        - name: HOME
          value: "${skaha.home}"
        - name: PWD
          value: "${skaha.workdir}"
        - name: OMP_NUM_THREADS
          value: "${software.threads}"
        imagePullPolicy: Always
"""
"""What follows the bundle: the variables that come after the user's, so that the user's lose."""

COMMENTS = "#\n" * (BUNDLE_LINE - 1 - TEMPLATE_HEAD.count("\n"))
TEMPLATE = f"{TEMPLATE_HEAD}{COMMENTS}        ${{{BUNDLE}}}\n{TEMPLATE_TAIL}"


def assemble(cmd: str | None, args: str | None, env: Sequence[str], values: Mapping[str, str]) -> Container:
    """Return the container as the server hands it to kubectl.

    :param cmd: the parameter ``cmd``.
    :param args: the parameter ``args``.
    :param env: every parameter ``env``, each ``NAME=value``.
    :param values: what the template's placeholders stand for.
    :raises JavaError: as the server throws.
    """
    document = replace_all(TEMPLATE, BUNDLE, bundle_lines(values["software.imageid"], cmd, args, env))
    for key, value in values.items():
        # *SessionJobBuilder* iterates over a HashMap that happens to have the bundle first, so that a
        # placeholder in the user's text, once past the replacement, is replaced as well.
        document = replace_all(document, key, value)
    return container_of(document)


def bundle_lines(image: str, cmd: str | None, args: str | None, env: Sequence[str]) -> str:
    """Return the bundle (*PostAction.getHeadlessImageBundle*).

    cmd is one word. args is split at every single space. An env is kept only when splitting it at every
    equals sign gives exactly two parts.
    """
    lines = [f'image: "{image}"']
    if cmd is not None:
        lines.append(f'command: ["{cmd}"]')
    if args is not None:
        words = ", ".join(f'"{word}"' for word in split(args, " "))
        lines.append(f"args: [{words}]")
    lines.append("env:")
    for variable in env:
        parts = split(variable, "=")
        if len(parts) == 2:
            lines += [f"- name: {parts[0]}", f'  value: "{parts[1]}"']
    return "\n        ".join(lines)


def run_as(
    cmd: str | None, args: str | None, env: Sequence[str], values: Mapping[str, str]
) -> kubectl.PostedContainer:
    """Return the container as it runs.

    :raises JavaError: as the server throws.
    :raises kubectl.JobRefusedError: when the API server would refuse the Job; the server does not notice.
    """
    posted = kubectl.posted(assemble(cmd, args, env, values))
    environment = tuple(expand_environment(posted.environment))
    known = dict(environment)
    return kubectl.PostedContainer(
        command=None if posted.command is None else tuple(expand(word, known) for word in posted.command),
        args=None if posted.args is None else tuple(expand(word, known) for word in posted.args),
        environment=environment,
    )
