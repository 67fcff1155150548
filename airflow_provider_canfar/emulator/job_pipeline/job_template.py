"""The server's template of a Job: turns a create's cmd, args and env into the container that runs.

No step quotes anything. *PostAction.getHeadlessImageBundle* joins strings to lines of YAML;
*SessionJobBuilder.setConfigValue* puts them into the Job's template with *String.replaceAll*; *Yaml.load* and
*Yaml.dump* read and write the result; ``kubectl create`` reads it again; the kubelet expands ``$(NAME)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from airflow_provider_canfar.emulator.job_pipeline import kubectl
from airflow_provider_canfar.emulator.job_pipeline.java import split
from airflow_provider_canfar.emulator.job_pipeline.java_regex import replace_all
from airflow_provider_canfar.emulator.job_pipeline.job import Container, read_container
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
"""The beginning of *launch-headless.yaml*, because a parser's message may quote lines of it."""

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
"""The lines after the bundle: their variables follow the user's, and override them."""

COMMENTS = "#\n" * (BUNDLE_LINE - 1 - TEMPLATE_HEAD.count("\n"))
TEMPLATE = f"{TEMPLATE_HEAD}{COMMENTS}        ${{{BUNDLE}}}\n{TEMPLATE_TAIL}"


def job_container(
    cmd: str | None, args: str | None, env: Sequence[str], values: Mapping[str, str]
) -> Container:
    """Return the container that the server passes to kubectl.

    :param cmd: the parameter ``cmd``.
    :param args: the parameter ``args``.
    :param env: every parameter ``env``, each ``NAME=value``.
    :param values: the values of the template's placeholders.
    :raises JavaError: what the server throws.
    """
    document = replace_all(TEMPLATE, BUNDLE, bundle_lines(values["software.imageid"], cmd, args, env))
    for key, value in values.items():
        # *SessionJobBuilder* iterates over a HashMap that happens to have the bundle first. So it also fills
        # a placeholder in the user's text, if that has survived the replacement.
        document = replace_all(document, key, value)
    return read_container(document)


def bundle_lines(image: str, cmd: str | None, args: str | None, env: Sequence[str]) -> str:
    """Return the bundle (*PostAction.getHeadlessImageBundle*).

    cmd becomes a single argument. args is split at every single space. An env is kept only if splitting it at
    every equals sign gives exactly two parts.
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


def running_container(
    cmd: str | None, args: str | None, env: Sequence[str], values: Mapping[str, str]
) -> kubectl.AcceptedContainer:
    """Return the container that runs.

    :raises JavaError: what the server throws.
    :raises kubectl.JobRejectedError: when the API server would reject the Job; the server does not notice.
    """
    accepted = kubectl.create(job_container(cmd, args, env, values))
    environment = tuple(expand_environment(accepted.environment))
    known = dict(environment)
    return kubectl.AcceptedContainer(
        command=None if accepted.command is None else tuple(expand(word, known) for word in accepted.command),
        args=None if accepted.args is None else tuple(expand(word, known) for word in accepted.args),
        environment=environment,
    )
