package peers;

import java.util.HashMap;
import java.util.Map;

/** A command and its flags: --name value. */
final class Arguments {
    private final Map<String, String> flags = new HashMap<>();

    Arguments(String[] arguments) {
        for (int at = 1; at < arguments.length; at += 2) {
            if (!arguments[at].startsWith("--") || at + 1 == arguments.length) {
                throw new IllegalArgumentException("expected --flag value, found: " + arguments[at]);
            }
            flags.put(arguments[at].substring(2), arguments[at + 1]);
        }
    }

    String text(String name) {
        String value = flags.get(name);
        if (value == null) {
            throw new IllegalArgumentException("--" + name + " is missing");
        }
        return value;
    }

    long number(String name) {
        return Long.parseLong(text(name));
    }

    /** Runs a command; a failure goes to standard error and ends the process with 1. */
    static void run(String[] arguments, Map<String, Command> commands) {
        try {
            Command command = arguments.length == 0 ? null : commands.get(arguments[0]);
            if (command == null) {
                throw new IllegalArgumentException("the command is one of " + commands.keySet());
            }
            command.run(new Arguments(arguments));
        } catch (Exception failure) {
            failure.printStackTrace();
            System.exit(1);
        }
        System.exit(0); // Whatever threads a client may have left.
    }

    /** What one of the commands does. */
    interface Command {
        void run(Arguments arguments) throws Exception;
    }
}
