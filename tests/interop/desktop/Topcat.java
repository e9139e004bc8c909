import java.awt.Component;
import java.awt.Container;
import java.awt.Frame;
import java.awt.Rectangle;
import java.awt.Robot;
import java.awt.Window;
import java.awt.event.ActionEvent;
import java.io.File;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import javax.imageio.ImageIO;
import javax.swing.*;
import javax.swing.text.JTextComponent;
import uk.ac.starlink.topcat.ControlWindow;
import uk.ac.starlink.topcat.DatalinkPanel;
import uk.ac.starlink.topcat.Driver;
import uk.ac.starlink.topcat.TopcatConeSearchDialog;
import uk.ac.starlink.topcat.TopcatModel;
import uk.ac.starlink.topcat.activate.ActivationEntry;
import uk.ac.starlink.topcat.activate.ServiceActivationType;

/**
 * Uses TOPCAT's windows as a person would: a cone search, the links of its first row, the script `events` on it, and
 * the product as a table. Arguments: the address of the service, and a folder for pictures of the windows. It prints
 * how many rows the search and the product have.
 */
public class Topcat {
    static final int LONGEST_SECONDS = 60;

    public static void main(String[] arguments) throws Exception {
        String service = arguments[0];
        File pictures = new File(arguments[1]);
        Driver.main(new String[0]);
        until("the main window", () -> window("TOPCAT") != null && ControlWindow.getInstance() != null
            && ControlWindow.getInstance().getCommunicator() != null);
        ControlWindow control = ControlWindow.getInstance();

        gui(() -> control.getLoadWindow().getDialogAction(TopcatConeSearchDialog.class)
            .actionPerformed(new ActionEvent(control, ActionEvent.ACTION_PERFORMED, "")));
        until("the window of the cone search", () -> window("Cone Search") != null);
        gui(() -> {
            Window cone = window("Cone Search");
            field(cone, "Cone URL: ").setText(service + "/scs?");
            field(cone, "RA: ").setText("150.236");
            field(cone, "Dec: ").setText("2.268");
            field(cone, "Radius: ").setText("0.02");
        });
        picture(window("Cone Search"), new File(pictures, "topcat-cone.png"));
        gui(() -> press(window("Cone Search"), "OK"));
        until("the table of the search", () -> control.getTablesListModel().getSize() == 1);
        TopcatModel found = control.getTablesListModel().getElementAt(0);
        System.out.println("search " + found.getDataModel().getRowCount());

        gui(() -> {
            found.getActivationWindow().setVisible(true);
            found.highlightRow(0);
            each(found.getActivationWindow(), JList.class, Topcat::selectService);
        });
        gui(() -> each(found.getActivationWindow(), JButton.class, button -> {
            boolean perform = String.valueOf(button.getToolTipText()).startsWith("Perform the currently selected action on the most");
            if (perform && !(button.getParent() instanceof JToolBar)) button.doClick();
        }));
        until("the links", () -> links() != null);
        gui(() -> each(links(), JTable.class, Topcat::selectEvents));
        until("the form of the script", () -> field(links(), "CIRCLE:  ") != null);
        gui(() -> {
            field(links(), "CIRCLE:  ").setText("150.236 2.268 0.02");
            each(links(), JComboBox.class, Topcat::chooseLoadTable);
            links().setSize(820, 760);
            links().validate();
        });
        picture(links(), new File(pictures, "topcat-links.png"));
        gui(() -> press(links(), "Invoke"));
        until("the product", () -> control.getTablesListModel().getSize() == 2);
        System.out.println("product " + control.getTablesListModel().getElementAt(1).getDataModel().getRowCount());
        picture(control, new File(pictures, "topcat-tables.png"));
        System.exit(0);
    }

    static void selectService(JList<?> list) {
        for (int at = 0; at < list.getModel().getSize(); at++) {
            Object entry = list.getModel().getElementAt(at);
            if (entry instanceof ActivationEntry && ((ActivationEntry) entry).getType() instanceof ServiceActivationType) {
                list.setSelectedIndex(at);
            }
        }
    }

    static void selectEvents(JTable table) {
        for (int row = 0; row < table.getRowCount(); row++) {
            for (int column = 0; column < table.getColumnCount(); column++) {
                if ("script_events".equals(table.getValueAt(row, column))) table.setRowSelectionInterval(row, row);
            }
        }
    }

    static void chooseLoadTable(JComboBox<?> box) {
        for (int at = 0; at < box.getItemCount(); at++) {
            if ("Load Table".equalsIgnoreCase(String.valueOf(box.getItemAt(at)))) box.setSelectedIndex(at);
        }
    }

    static Window links() {
        for (Window window : Window.getWindows()) {
            if (window.isShowing() && inside(window).stream().anyMatch(part -> part instanceof DatalinkPanel)) return window;
        }
        return null;
    }

    static Window window(String title) {
        for (Window window : Window.getWindows()) {
            if (window.isShowing() && window instanceof Frame && ((Frame) window).getTitle().contains(title)) return window;
        }
        return null;
    }

    static List<Component> inside(Component root) {
        List<Component> found = new ArrayList<>(List.of(root));
        if (root instanceof Container) {
            for (Component part : ((Container) root).getComponents()) found.addAll(inside(part));
        }
        return found;
    }

    static <T> void each(Component root, Class<T> kind, Consumer<? super T> use) {
        for (Component part : inside(root)) if (kind.isInstance(part)) use.accept(kind.cast(part));
    }

    /** Returns the first text field behind a label, null if there is none. */
    static JTextComponent field(Component root, String label) {
        boolean passed = false;
        for (Component part : inside(root)) {
            passed |= part instanceof JLabel && label.trim().equals(String.valueOf(((JLabel) part).getText()).trim());
            if (passed && part instanceof JTextComponent && part.isShowing()) return (JTextComponent) part;
        }
        return null;
    }

    static void press(Component root, String text) {
        for (Component part : inside(root)) {
            if (part instanceof AbstractButton && text.equals(((AbstractButton) part).getText())) {
                ((AbstractButton) part).doClick();
                return;
            }
        }
        throw new IllegalStateException("there is no button " + text);
    }

    static void gui(Runnable action) throws Exception {
        SwingUtilities.invokeAndWait(action);
        Thread.sleep(500); // what follows from it is queued behind
    }

    static void until(String what, BooleanSupplier so) throws Exception {
        for (int tenth = 0; tenth < 10 * LONGEST_SECONDS; tenth++) {
            boolean[] now = {false};
            SwingUtilities.invokeAndWait(() -> now[0] = so.getAsBoolean());
            if (now[0]) {
                Thread.sleep(500);
                return;
            }
            Thread.sleep(100);
        }
        System.err.println("it never came to " + what);
        System.exit(1);
    }

    static void picture(Window window, File file) throws Exception {
        gui(window::toFront);
        ImageIO.write(new Robot().createScreenCapture(window.getBounds()), "png", file);
    }
}
