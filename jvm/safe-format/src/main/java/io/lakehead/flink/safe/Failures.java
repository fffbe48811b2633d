package io.lakehead.flink.safe;

import io.lakehead.flink.avro.RegistryUnavailableException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.SocketException;
import java.net.UnknownHostException;
import java.nio.channels.ClosedByInterruptException;
import javax.net.ssl.SSLException;
import org.apache.flink.util.ExceptionUtils;

/** Tells a record that cannot be decoded from a decoder that cannot work. */
final class Failures {

  private static final int MAX_DEPTH = 64;
  private static final String SCHEMA_NOT_FOUND = "; error code: 40403";

  private Failures() {}

  /**
   * Returns if the failure is the record's own. Throws if it is not: an interrupt (the task is
   * being cancelled), a fatal error of the virtual machine, a class that is missing, a schema
   * registry that does not answer or cannot say (it is asked while decoding). Inner formats wrap
   * what they catch, so the whole chain is searched.
   *
   * <p>A stack overflow is the record's own: it comes from hostile nesting.
   */
  static void rethrowUnlessOfRecord(Throwable failure) throws IOException {
    Throwable link = failure;
    for (int depth = 0; link != null && depth < MAX_DEPTH; depth++, link = link.getCause()) {
      if (isOfEnvironment(link)) {
        if (link instanceof Error) {
          throw (Error) link;
        }
        ExceptionUtils.rethrowIOException(failure);
      }
    }
  }

  private static boolean isOfEnvironment(Throwable t) {
    return (t instanceof VirtualMachineError && !(t instanceof StackOverflowError))
        || t instanceof LinkageError
        || t instanceof InterruptedException
        || t instanceof InterruptedIOException
        || t instanceof ClosedByInterruptException
        || t instanceof SocketException
        || t instanceof UnknownHostException
        || t instanceof SSLException
        || t instanceof RegistryUnavailableException
        || isRegistryFailure(t);
  }

  /**
   * Whether Confluent's client, which Flink's formats hold under names of their own, had an answer
   * that says nothing about the record. Only "there is no such schema" does.
   */
  private static boolean isRegistryFailure(Throwable t) {
    return t.getClass().getSimpleName().equals("RestClientException")
        && !String.valueOf(t.getMessage()).endsWith(SCHEMA_NOT_FOUND);
  }
}
